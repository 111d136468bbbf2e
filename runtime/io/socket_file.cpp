// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/socket_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace weft::io {

socket_file::socket_file(const socket_address& address) : path_(address.path()) {
  struct stat status;
  if (path_.starts_with('@') || path_.empty() || ::lstat(path_.c_str(), &status) != 0) {
    path_.clear();
    return;
  }
  device_ = status.st_dev;
  number_ = status.st_ino;
}

void socket_file::remove() noexcept {
  struct stat status;
  if (!path_.empty() && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
      status.st_ino == number_)
    ::unlink(path_.c_str());
  path_.clear();
}

} // namespace weft::io

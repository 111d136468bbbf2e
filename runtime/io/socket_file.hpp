// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <string>

#include "weft/socket_address.hpp"

namespace weft::io {

/// The file of a UNIX socket that listens, so as to remove that and no other which has its name.
class socket_file {
 public:
  socket_file() noexcept = default;
  /// None if the address has no file.
  explicit socket_file(const socket_address& address);

  /// Removes it if it is still the same.
  void remove() noexcept;

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t number_ = 0;
};

} // namespace weft::io

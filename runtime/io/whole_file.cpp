// SPDX-License-Identifier: BSL-1.0
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/io/failure.hpp"
#include "weft/file.hpp"
#include "weft/offload.hpp"

namespace weft {
namespace {

[[noreturn]] void fail(const char* call, const std::string& path) {
  io::throw_failure(std::string(call) + "(" + path + ")", errno);
}

struct file {
  int fd;
  explicit file(int n) noexcept : fd(n) {}
  file(const file&) = delete;
  file& operator=(const file&) = delete;
  ~file() {
    if (fd >= 0) ::close(fd);
  }
};

std::string read_all(const std::string& path) {
  const file f(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (f.fd < 0) fail("open", path);
  struct ::stat status {};
  if (::fstat(f.fd, &status) != 0) fail("fstat", path);
  // One byte more than it has, so that the read that fills it also finds the end; those of /proc
  // say 0.
  std::string text(std::max<std::size_t>(static_cast<std::size_t>(status.st_size), 4095) + 1, '\0');
  std::size_t used = 0;
  while (true) {
    if (used == text.size()) text.resize(2 * text.size());
    const ssize_t n = ::read(f.fd, text.data() + used, text.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path);
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  text.resize(used);
  return text;
}

void write_all(const std::string& path, std::string_view data, const write_file_options& options) {
  file f(::open(path.c_str(),
                O_WRONLY | O_CREAT | O_CLOEXEC | (options.append ? O_APPEND : O_TRUNC),
                options.mode));
  if (f.fd < 0) fail("open", path);
  while (!data.empty()) {
    const ssize_t n = ::write(f.fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path);
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  if (options.sync && ::fsync(f.fd) != 0) fail("fsync", path);
  // Some file systems tell only now that there was no room.
  if (::close(std::exchange(f.fd, -1)) != 0) fail("close", path);
}

} // namespace

std::string read_file(const std::string& path) {
  return offload([&] { return read_all(path); });
}

void write_file(const std::string& path, std::string_view data, const write_file_options& options) {
  offload([&] { write_all(path, data, options); });
}

} // namespace weft

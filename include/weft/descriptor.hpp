// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

#include <weft/io.hpp>

namespace [[gnu::visibility("default")]] weft {

/// Owns a file descriptor, and closes it by weft::io::close: fibers that wait on it are woken
/// with EBADF, and none is ever woken by the file that gets the number next. Movable. Closing
/// never blocks and is no switch point. Any thread.
///
///     weft::descriptor file(::open("/etc/hostname", O_RDONLY | O_CLOEXEC));
///     if (!file) throw std::system_error(errno, std::generic_category());
class [[nodiscard]] descriptor {
 public:
  /// Owns nothing.
  descriptor() noexcept = default;
  /// Takes `fd` over; a negative number is nothing.
  explicit descriptor(int fd) noexcept : fd_(fd < 0 ? -1 : fd) {}
  descriptor(descriptor&& other) noexcept : fd_(other.release()) {}
  descriptor& operator=(descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~descriptor() { reset(); }

  /// The number, -1 if there is none.
  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

  /// Gives it away, open.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  /// Closes what it owns and takes `fd` over.
  void reset(int fd = -1) noexcept {
    const int old = std::exchange(fd_, fd < 0 ? -1 : fd);
    if (old >= 0) io::close(old);
  }

 private:
  int fd_ = -1;
};

} // namespace weft

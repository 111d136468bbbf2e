// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "tests/core/descriptors.hpp"
#include "weft/weft.hpp"

namespace weft::test {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

inline const auto closed_by_plain_close = std::exchange(
    close_descriptor, +[](int fd) { return io::close(fd); });

/// Runs `f` as a fiber; what is left when it ends is cancelled.
template <class F>
void in_fiber(F f) {
  weft::run(std::move(f));
}

/// Bytes of which each tells where it belongs.
inline std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>((i * 2654435761u) >> 13);
  return text;
}

/// Reads until `size` bytes, the end, or an error.
inline std::string read_exactly(int fd, std::size_t size, deadline until = {}) {
  std::string text;
  char buffer[4096];
  while (text.size() < size) {
    const ssize_t n = io::read(fd, buffer, std::min(sizeof buffer, size - text.size()), until);
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

inline bool blocking(int fd) {
  return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

} // namespace weft::test

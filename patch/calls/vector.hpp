// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/uio.h>

#include <cstddef>

#include "patch/kernel/user_memory.hpp"

namespace weft::patch {

/// What is left of the program's iovec array when a transfer went on in parts. The array
/// itself is the program's and is not changed; a few entries at a time are copied. Where it
/// cannot be read it ends.
class vector_rest {
 public:
  static constexpr int window = 8;

  vector_rest(const iovec* all, std::size_t count) noexcept : at_(all), end_(all + count) {
    advance(0);
  }

  [[nodiscard]] bool empty() const noexcept { return at_ == end_; }

  /// Bytes in all that is left.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    iovec entry;
    for (const iovec* v = at_; v != end_ && get_user(entry, v); ++v)
      sum += entry.iov_len;
    return sum > offset_ ? sum - offset_ : 0;
  }

  /// Copies what comes next; returns how many entries.
  int next(iovec (&out)[window]) const noexcept {
    int n = 0;
    for (const iovec* v = at_; v != end_ && n < window && get_user(out[n], v); ++v)
      ++n;
    if (n > 0) {
      out[0].iov_base = static_cast<char*>(out[0].iov_base) + offset_;
      out[0].iov_len -= offset_;
    }
    return n;
  }

  void advance(std::size_t bytes) noexcept {
    offset_ += bytes;
    for (iovec entry; at_ != end_; ++at_) {
      if (!get_user(entry, at_)) {
        at_ = end_;
        return;
      }
      if (offset_ < entry.iov_len) return;
      offset_ -= entry.iov_len; // empty ones are passed over as well
    }
  }

 private:
  const iovec* at_;
  const iovec* end_;
  std::size_t offset_ = 0;
};

} // namespace weft::patch

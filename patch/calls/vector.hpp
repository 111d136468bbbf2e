// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/uio.h>

#include <cstddef>

namespace weft::patch {

/// What is left of the program's iovec array when a transfer went on in parts. The array
/// itself is the program's and is not changed; a few entries at a time are copied.
class vector_rest {
 public:
  static constexpr int window = 8;

  vector_rest(const iovec* all, std::size_t count) noexcept : at_(all), end_(all + count) {
    skip_empty();
  }

  [[nodiscard]] bool empty() const noexcept { return at_ == end_; }

  /// Bytes in all that is left.
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    for (const iovec* v = at_; v != end_; ++v)
      sum += v->iov_len;
    return sum - offset_;
  }

  /// Copies what comes next; returns how many entries.
  int next(iovec (&out)[window]) const noexcept {
    int n = 0;
    for (const iovec* v = at_; v != end_ && n < window; ++v, ++n)
      out[n] = *v;
    if (n > 0) {
      out[0].iov_base = static_cast<char*>(out[0].iov_base) + offset_;
      out[0].iov_len -= offset_;
    }
    return n;
  }

  void advance(std::size_t bytes) noexcept {
    offset_ += bytes;
    while (at_ != end_ && offset_ >= at_->iov_len) {
      offset_ -= at_->iov_len;
      ++at_;
    }
    skip_empty();
  }

 private:
  void skip_empty() noexcept {
    while (at_ != end_ && at_->iov_len == 0)
      ++at_;
  }

  const iovec* at_;
  const iovec* end_;
  std::size_t offset_ = 0;
};

} // namespace weft::patch

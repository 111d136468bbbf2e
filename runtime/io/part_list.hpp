// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <memory>

namespace weft::io {

[[nodiscard]] inline std::size_t total_size(const iovec* parts, std::size_t count) noexcept {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count; ++i)
    sum += parts[i].iov_len;
  return sum;
}

/// The caller's parts of a transfer without what was transferred already. The caller's own are
/// left alone.
class part_list {
 public:
  part_list(const iovec* parts, std::size_t count) : count_(count) {
    if (count > inline_count) many_ = std::make_unique<iovec[]>(count);
    first_ = many_ ? many_.get() : few_;
    std::copy_n(parts, count, first_);
    size_ = total_size(first_, count);
  }

  [[nodiscard]] iovec* data() noexcept { return first_; }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  /// Bytes that are left.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  void drop(std::size_t bytes) noexcept {
    size_ -= bytes;
    while (count_ > 0 && bytes >= first_->iov_len) {
      bytes -= first_->iov_len;
      ++first_;
      --count_;
    }
    if (bytes == 0) return;
    first_->iov_base = static_cast<char*>(first_->iov_base) + bytes;
    first_->iov_len -= bytes;
  }

 private:
  static constexpr std::size_t inline_count = 8;
  iovec few_[inline_count];
  std::unique_ptr<iovec[]> many_;
  iovec* first_;
  std::size_t count_;
  std::size_t size_;
};

} // namespace weft::io

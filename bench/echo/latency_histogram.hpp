// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace echo {

// A log-linear histogram of nanoseconds: 64 buckets for each power of two, hence an error of at
// most 1.6 %, over the whole range of a 64-bit count, in constant memory and a few ns a record.
class latency_histogram {
 public:
  void record(std::uint64_t nanoseconds) noexcept {
    ++buckets_[bucket_of(nanoseconds)];
    ++count_;
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

  // The smallest upper bound below which the given fraction of the recorded values lies; 0 if
  // nothing was recorded.
  [[nodiscard]] std::uint64_t quantile(double fraction) const noexcept {
    const double wanted = fraction * static_cast<double>(count_);
    std::uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < buckets_.size(); ++bucket) {
      seen += buckets_[bucket];
      if (seen > 0 && static_cast<double>(seen) >= wanted) return upper_bound_of(bucket);
    }
    return 0;
  }

 private:
  static constexpr unsigned sub_bits = 6;
  static constexpr unsigned sub_count = 1U << sub_bits;

  static unsigned bucket_of(std::uint64_t value) noexcept {
    if (value < sub_count) return static_cast<unsigned>(value);
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - sub_bits - 1;
    return (shift + 1) * sub_count + static_cast<unsigned>(value >> shift) - sub_count;
  }

  static std::uint64_t upper_bound_of(unsigned bucket) noexcept {
    if (bucket < sub_count) return bucket;
    const unsigned shift = bucket / sub_count - 1;
    const std::uint64_t base = bucket % sub_count + sub_count;
    return ((base + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (64 - sub_bits + 1) * sub_count> buckets_{};
  std::uint64_t count_ = 0;
};

} // namespace echo

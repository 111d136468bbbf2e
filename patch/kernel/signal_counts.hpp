// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

/// For each of 64 signals a number, and all of them changed at once: bit i of `planes_[k]` is bit k
/// of signal i's number. pthread_create changes all masks four times, which as 62 separate counts
/// made a third of its cost.
class signal_counts {
 public:
  /// One more for each signal in `set`.
  void add(std::uint64_t set) noexcept {
    for (int k = 0; set && k < most; ++k) {
      const std::uint64_t carry = planes_[k] & set;
      planes_[k] ^= set;
      set = carry;
      if (k >= used_) used_ = k + 1;
    }
  }
  /// One less.
  void subtract(std::uint64_t set) noexcept {
    for (int k = 0; set && k < most; ++k) {
      const std::uint64_t borrow = ~planes_[k] & set;
      planes_[k] ^= set;
      set = borrow;
    }
  }
  /// The signals whose number is `n`.
  [[nodiscard]] std::uint64_t equal_to(std::uint32_t n) const noexcept {
    if (n >> used_) return 0;
    std::uint64_t equal = ~std::uint64_t{0};
    for (int k = 0; k < used_; ++k)
      equal &= n >> k & 1 ? planes_[k] : ~planes_[k];
    return equal;
  }
  /// Those whose number is not 0.
  [[nodiscard]] std::uint64_t any() const noexcept {
    std::uint64_t any = 0;
    for (int k = 0; k < used_; ++k)
      any |= planes_[k];
    return any;
  }

 private:
  static constexpr int most = 31;
  int used_ = 0; // planes beyond are 0
  std::uint64_t planes_[most] = {};
};

} // namespace weft::patch

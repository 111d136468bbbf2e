// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace stress {

/// splitmix64's way to mix: equal for equal numbers, and else as good as random.
constexpr std::uint64_t mixed(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

/// splitmix64: decisions depend on the seed only.
class chance {
 public:
  explicit chance(std::uint64_t seed) noexcept : state_(seed) {}
  std::uint64_t next() noexcept { return mixed(state_ += 0x9e3779b97f4a7c15); }
  /// In [low, high].
  int between(int low, int high) noexcept {
    return low + static_cast<int>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(int n) noexcept { return next() % static_cast<std::uint64_t>(n) == 0; }
  /// For a thread of its own.
  chance split() noexcept { return chance(next()); }

 private:
  std::uint64_t state_;
};

} // namespace stress

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "patch/kernel/green.hpp"
#include "patch/kernel/scheduler.hpp"

/// What the files about futexes do with a word and a waiter.
namespace weft::patch {

[[nodiscard]] inline std::uint32_t load(const std::uint32_t* word) noexcept {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/// Compare and exchange; `expected` becomes what was found.
inline bool replace(std::uint32_t* word, std::uint32_t& expected, std::uint32_t desired) noexcept {
  return __atomic_compare_exchange_n(word, &expected, desired, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}

[[nodiscard]] inline bool aligned(const std::uint32_t* word) noexcept {
  return reinterpret_cast<std::uintptr_t>(word) % 4 == 0;
}

/// Ends a wait by a wake-up.
inline void finish(futex_waiter& w) noexcept {
  w.unlink();
  unpark(*w.thread, wakeup::event);
}

} // namespace weft::patch

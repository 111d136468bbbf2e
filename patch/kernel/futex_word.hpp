// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <errno.h>

#include <cstdint>

#include "patch/kernel/green.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/user_memory.hpp"

/// What the files about futexes do with a word and a waiter.
namespace weft::patch {

/// Whether `word` holds `expected`: 0, -EAGAIN or -EFAULT.
[[nodiscard]] inline long compare(const std::uint32_t* word, std::uint32_t expected) noexcept {
  std::uint32_t value;
  if (!load_user_word(value, word)) return -EFAULT;
  return value == expected ? 0 : -EAGAIN;
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

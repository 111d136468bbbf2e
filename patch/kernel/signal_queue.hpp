// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <signal.h>

#include <cstdint>

#include "runtime/core/list.hpp"

namespace weft::patch {

/// Bit of a signal in a kernel sigset.
[[nodiscard]] constexpr std::uint64_t signal_bit(int number) noexcept {
  return std::uint64_t{1} << (number - 1);
}

struct queued_signal : core::list_hook<> {
  siginfo_t info;
};

/// Signals pending for one green thread, with the information that came along. As in
/// Linux a standard signal is kept once, real-time ones are queued. If memory for the
/// information is short only the number is kept (SI_USER), as Linux does.
class signal_queue {
 public:
  [[nodiscard]] std::uint64_t set() const noexcept { return set_; }
  void push(const siginfo_t& info) noexcept;
  /// Takes out the lowest numbered signal in `among`; false if there is none.
  bool pop(std::uint64_t among, siginfo_t& info) noexcept;
  /// Forgets what timer `id` sent: it is deleted, or set anew.
  void drop_timer(int id) noexcept;
  void clear() noexcept;

 private:
  bool overrun(const siginfo_t& info) noexcept;

  std::uint64_t set_ = 0;
  core::list<queued_signal> queue_;
};

} // namespace weft::patch

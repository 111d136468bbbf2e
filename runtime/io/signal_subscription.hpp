// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <signal.h>

#include <atomic>
#include <cstdint>
#include <optional>

#include "weft/signal.hpp"

namespace weft::detail {

/// One set's part in the handler: signals in `mask` are sent to it as packets over a socket pair,
/// which any fiber, hub and thread can wait on, and which a handler may write to.
///
/// The handler walks all of them without a lock, on any thread and at any time. Hence they are
/// never freed, only used again: when the last handler left it (`users_`), and whoever waits has
/// seen that its set is gone (`holders_`).
class signal_subscription {
 public:
  /// Catches the signals of `mask` (bit n-1 is signal n). Throws std::system_error.
  static signal_subscription& open(std::uint64_t mask);
  /// The set is gone: wakes who waits.
  void close() noexcept;

  /// Held by the set, and by each that waits.
  void hold() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
  void let_go() noexcept;

  /// Where packets arrive.
  [[nodiscard]] int descriptor() const noexcept { return ends_[0]; }
  /// What came, if anything did. Throws std::system_error (EBADF) once it is closed.
  std::optional<signal_arrival> take();

 private:
  friend struct signal_registry;

  void arrived(int number, const siginfo_t& info) noexcept;
  std::optional<signal_arrival> take_missed() noexcept;
  void stop() noexcept;
  void close_ends() noexcept;
  [[nodiscard]] bool make_ends() noexcept;
  void renew_in_child() noexcept;

  signal_subscription* next_ = nullptr; // never changes once it is in the list
  std::atomic<std::uint64_t> mask_{0};
  std::atomic<std::uint64_t> missed_{0}; // signals for which there was no room
  std::atomic<std::uint32_t> users_{0};  // handlers inside `arrived`
  std::atomic<std::uint32_t> holders_{0};
  int ends_[2] = {-1, -1};
  bool in_use_ = false; // under the registry's mutex
};

} // namespace weft::detail

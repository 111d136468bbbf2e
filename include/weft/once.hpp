// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
class once_turn;
}

/// Whether something was done, for `call_once`. Model: std::once_flag. Constant-initialised: may
/// be static.
class once_flag {
 public:
  constexpr once_flag() noexcept = default;
  once_flag(const once_flag&) = delete;
  once_flag& operator=(const once_flag&) = delete;
  ~once_flag() = default;

  /// Whether a call has succeeded.
  [[nodiscard]] bool done() const noexcept { return done_.load(std::memory_order_acquire); }

 private:
  friend class detail::once_turn;
  bool begin();
  void end(bool success) noexcept;

  detail::sync_lock lock_;
  std::atomic<bool> done_{false}; // written under lock_
  std::uint64_t caller_ = 0;      // whose call is under way
  detail::wait_list waiters_;
};

namespace detail {

/// The caller's turn to call, if it is its turn.
class once_turn {
 public:
  explicit once_turn(once_flag& flag) : flag_(flag), mine_(flag.begin()) {}
  once_turn(const once_turn&) = delete;
  once_turn& operator=(const once_turn&) = delete;
  ~once_turn() {
    if (mine_) flag_.end(success_);
  }
  explicit operator bool() const noexcept { return mine_; }
  void succeed() noexcept { success_ = true; }

 private:
  once_flag& flag_;
  bool mine_;
  bool success_ = false;
};

} // namespace detail

/// Calls `f(args...)` unless such a call with the same flag has succeeded. While one is under way,
/// others wait for its end; if it ends by an exception, which goes to its own caller, that of a
/// cancelled fiber included, then whoever has waited longest calls. Model: std::call_once.
///
///     static weft::once_flag prepared;
///     weft::call_once(prepared, [] { weft::sleep(1ms); });
///
/// Waiting parks the fiber, or blocks a thread without a hub; a switch point only if it has to
/// wait. From within `f` with the same flag: std::system_error, resource_deadlock_would_occur.
/// Inside a callback `f` may be called; where the call would have to wait: std::logic_error. Any
/// thread.
template <class F, class... Args>
void call_once(once_flag& flag, F&& f, Args&&... args) {
  if (flag.done()) return;
  detail::once_turn turn(flag);
  if (!turn) return;
  std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
  turn.succeed();
}

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include <weft/detail/future_awaiter.hpp>
#include <weft/error.hpp>

/// How a request to cancel reaches what a coroutine awaits. Not part of the interface.
namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// A co_task's request to end, and whom it is passed on to. Any thread.
class co_cancellation {
 public:
  /// False: at its end already.
  bool request();
  /// From now on requests go to `pass_on`, which says whether it took them.
  void waits_on(std::function<bool()> pass_on);
  /// It goes on; says whether a request was passed on.
  bool resumed() noexcept;
  /// Takes a request that is to be thrown by the coroutine itself.
  bool take_pending() noexcept;
  void end() noexcept;

 private:
  std::mutex mutex_;
  std::function<bool()> pass_on_;
  bool pending_ = false;
  bool passed_ = false;
  bool ended_ = false;
};

[[noreturn]] void throw_co_task_cancelled();
[[noreturn]] void refuse_empty_co_task();
[[noreturn]] void refuse_started_co_task();

/// What a co_task awaits, with cancellation.
template <class A, class Awaiter>
class cancellable_awaiter {
 public:
  template <class MakeAwaiter>
  cancellable_awaiter(co_cancellation& of, A&& awaited, MakeAwaiter&& make)
      : cancellation_(of), pass_on_(pass_on_to(awaited)), inner_(make(std::forward<A>(awaited))) {}
  cancellable_awaiter(const cancellable_awaiter&) = delete;
  cancellable_awaiter& operator=(const cancellable_awaiter&) = delete;

  bool await_ready() {
    interrupted_ = cancellation_.take_pending();
    return interrupted_ || inner_.await_ready();
  }
  template <class Promise>
  auto await_suspend(std::coroutine_handle<Promise> coroutine) {
    if (pass_on_) cancellation_.waits_on(std::move(pass_on_));
    return inner_.await_suspend(coroutine);
  }
  decltype(auto) await_resume() {
    if (interrupted_) throw cancelled();
    if (!cancellation_.resumed()) return inner_.await_resume();
    try {
      return inner_.await_resume();
    } catch (const task_cancelled&) { // by the request that came this way
      throw cancelled();
    }
  }

 private:
  static std::function<bool()> pass_on_to(const std::remove_cvref_t<A>& awaited) {
    if constexpr (std::is_base_of_v<future_base, std::remove_cvref_t<A>>)
      return [handle = static_cast<const future_base&>(awaited)] { return handle.cancel(); };
    else if constexpr (requires { awaited.internal_cancellation(); })
      return [other = awaited.internal_cancellation()] { return other->request(); };
    else
      return {};
  }

  co_cancellation& cancellation_;
  std::function<bool()> pass_on_;
  Awaiter inner_;
  bool interrupted_ = false;
};

} // namespace detail
} // namespace weft

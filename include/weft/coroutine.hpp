// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/detail/co_cancellation.hpp>
#include <weft/detail/future_awaiter.hpp>
#include <weft/error.hpp>
#include <weft/future.hpp>
#include <weft/promise.hpp>

/// C++20 coroutines and fibers, both ways: a coroutine awaits a weft future or task, a fiber awaits
/// anything that a coroutine could.
namespace [[gnu::visibility("default")]] weft {

/// `co_await` of a future or task, in a coroutine of any type. Gives what `get` gives: a reference
/// to the result, or of an rvalue (`co_await weft::spawn(f)`) the result moved out; rethrows what
/// it ended with; throws `task_cancelled` if it was cancelled.
///
///     my_coroutine print_twice(weft::future<int> f) {
///       print(2 * co_await f);
///     }
///
/// Never blocks the thread. Done already: the coroutine goes on at once. Else it is resumed on the
/// hub on which it awaits, in a fiber of its own, which lasts until it is suspended again: so it
/// may block, but has other fiber_locals after each await (inherited_locals are kept). On a thread
/// without a hub, or if that hub has ended by then, it is resumed on the thread that completes;
/// there it may not block if that is a hub's thread (std::logic_error).
///
/// A coroutine that is destroyed while it awaits is not resumed. Destroy it on the hub's thread,
/// or, without a hub, not at the time of completion. The awaited task is left alone, unless the
/// coroutine is a co_task that is cancelled. Throws `future_error` for an empty handle.
template <class T>
auto operator co_await(const future<T>& f) {
  return detail::future_awaiter<T, const future<T>&>(f);
}
template <class T>
auto operator co_await(future<T>&& f) {
  return detail::future_awaiter<T, future<T>>(std::move(f));
}
/// Of an any_task: the result is dropped.
inline auto operator co_await(const any_task& t) {
  return detail::future_awaiter<void, any_task>(t);
}

template <class T>
class co_task;

namespace detail {

template <class A>
decltype(auto) awaiter_of(A&& awaitable) {
  if constexpr (requires { std::forward<A>(awaitable).operator co_await(); })
    return std::forward<A>(awaitable).operator co_await();
  else if constexpr (requires { operator co_await(std::forward<A>(awaitable)); })
    return operator co_await(std::forward<A>(awaitable));
  else
    return std::forward<A>(awaitable);
}
template <class A>
using await_result_t = decltype(awaiter_of(std::declval<A>()).await_resume());

template <class A>
inline constexpr bool is_co_task = false;
template <class T>
inline constexpr bool is_co_task<co_task<T>> = true;

/// Where a co_task's result waits until it is fetched.
template <class T>
struct co_result {
  std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<T>,
                     std::optional<std::conditional_t<std::is_reference_v<T>, int, T>>>
      value{};
  template <class U>
  requires std::convertible_to<U, T>
  void return_value(U&& v) {
    if constexpr (std::is_reference_v<T>)
      value = std::addressof(v);
    else
      value.emplace(std::forward<U>(v));
  }
  T take() {
    if constexpr (std::is_reference_v<T>)
      return static_cast<T>(*value);
    else
      return std::move(*value);
  }
};
template <>
struct co_result<void> {
  void return_void() noexcept {}
  void take() noexcept {}
};

} // namespace detail

/// Something that `co_await` takes.
template <class A>
concept awaitable = requires(A&& a) {
  { detail::awaiter_of(std::forward<A>(a)).await_ready() } -> std::convertible_to<bool>;
  detail::awaiter_of(std::forward<A>(a)).await_resume();
};

/// A coroutine that weft can run and cancel: lazily started, awaited once, by another coroutine, by
/// `weft::await` in a fiber, or by being called, which is the same; hence whatever takes a callable
/// takes one: spawn, gather, with_timeout, groups. Model: asyncio's coroutine objects.
///
///     weft::co_task<int> sum(weft::future<int> a, weft::future<int> b) {
///       co_return co_await a + co_await b;
///     }
///
/// `weft::spawn` is asyncio.create_task:
///
///     weft::task<int> t = weft::spawn(sum(x, y));
///
/// Cancellation follows asyncio: `cancel` is passed on to what it awaits, if that is a weft future,
/// a task or another co_task; when that ends cancelled, `weft::cancelled` is thrown at the
/// `co_await`. If it runs, or awaits something else, it is thrown at the next `co_await`. Not
/// started: the body never runs. It may clean up, and swallow the request. Whoever awaits one that
/// was cancelled gets `task_cancelled`, or, if the request came through it, `weft::cancelled`.
/// Calls inside that block are switch points of the fiber that runs the coroutine just then.
///
/// Destroying it destroys the coroutine where it is suspended.
template <class T = void>
class [[nodiscard]] co_task {
 public:
  using value_type = T;
  class promise_type;

  co_task(co_task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  co_task& operator=(co_task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~co_task() {
    if (coroutine_) coroutine_.destroy();
  }

  /// False once moved from.
  [[nodiscard]] bool valid() const noexcept { return coroutine_ != nullptr; }

  /// Asks it to end. False, without effect, if it is at its end. Any thread.
  bool cancel() { return promise().cancellation->request(); }

  /// In a fiber: as `weft::await(std::move(*this))`.
  T operator()();

  template <bool Raw>
  struct awaiter;
  /// Starts it; the awaiting coroutine goes on when it is at its end. Throws std::logic_error if it
  /// was started before.
  awaiter<false> operator co_await() && { return awaiter<false>(promise()); }

  /// Not part of the interface.
  awaiter<true> internal_awaiter() { return awaiter<true>(promise()); }
  [[nodiscard]] std::shared_ptr<detail::co_cancellation> internal_cancellation() const {
    return promise().cancellation;
  }

 private:
  explicit co_task(promise_type& p) noexcept
      : coroutine_(std::coroutine_handle<promise_type>::from_promise(p)) {}
  promise_type& promise() const {
    if (!coroutine_) detail::refuse_empty_co_task();
    return coroutine_.promise();
  }

  std::coroutine_handle<promise_type> coroutine_;
};

/// What the compiler makes of a co_task's body.
template <class T>
class co_task<T>::promise_type : public detail::co_result<T> {
 public:
  co_task get_return_object() noexcept { return co_task(*this); }
  static std::suspend_always initial_suspend() noexcept { return {}; }
  auto final_suspend() noexcept {
    struct go_on {
      static bool await_ready() noexcept { return false; }
      std::coroutine_handle<>
      await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
        ended.promise().cancellation->end();
        return ended.promise().continuation;
      }
      void await_resume() const noexcept {}
    };
    return go_on{};
  }
  void unhandled_exception() {
    try {
      throw;
    } catch (const cancelled&) {
      was_cancelled = true;
    } catch (...) {
      error = std::current_exception();
    }
  }
  template <class A>
  auto await_transform(A&& awaited) {
    auto make = [](A&& a) -> decltype(auto) { return detail::awaiter_of(std::forward<A>(a)); };
    return detail::cancellable_awaiter<A, decltype(make(std::forward<A>(awaited)))>(
        *cancellation, std::forward<A>(awaited), make);
  }

  std::shared_ptr<detail::co_cancellation> cancellation =
      std::make_shared<detail::co_cancellation>();
  std::coroutine_handle<> continuation;
  std::exception_ptr error;
  bool started = false;
  bool was_cancelled = false;
};

/// Raw: its own `cancelled` passes as that, and not as task_cancelled.
template <class T>
template <bool Raw>
struct co_task<T>::awaiter {
  explicit awaiter(promise_type& p) : promise_(p) {
    if (std::exchange(p.started, true)) detail::refuse_started_co_task();
  }
  bool await_ready() {
    promise_.was_cancelled = promise_.cancellation->take_pending();
    return promise_.was_cancelled;
  }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    promise_.continuation = awaiting;
    return std::coroutine_handle<promise_type>::from_promise(promise_);
  }
  T await_resume() {
    if (promise_.was_cancelled) {
      if constexpr (Raw) throw cancelled();
      detail::throw_co_task_cancelled();
    }
    if (promise_.error) std::rethrow_exception(promise_.error);
    return promise_.take();
  }

  promise_type& promise_;
};

namespace detail {

/// A coroutine that awaits on behalf of a fiber, and ends by setting a promise. Started at once.
struct await_driver {
  struct promise_type {
    await_driver get_return_object() noexcept {
      return {std::coroutine_handle<promise_type>::from_promise(*this)};
    }
    static std::suspend_never initial_suspend() noexcept { return {}; }
    static std::suspend_never final_suspend() noexcept { return {}; }
    static void return_void() noexcept {}
    static void unhandled_exception() noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> coroutine;
};

/// The awaiter is the fiber's, which may be gone as soon as the promise is set.
template <class R, class Awaiter>
await_driver drive(Awaiter& awaiter, promise<R> result) {
  try {
    if constexpr (std::is_void_v<R>) {
      co_await awaiter;
      result.set_value();
    } else if constexpr (std::is_reference_v<R>) {
      R value = co_await awaiter;
      result.set_value(value);
    } else {
      result.set_value(co_await awaiter);
    }
  } catch (const cancelled&) {
    result.cancel();
  } catch (...) {
    result.set_exception(std::current_exception());
  }
}

/// What the driver awaits: of a co_task, an awaiter that lets its own `cancelled` pass.
template <class A>
decltype(auto) driven(A&& awaited) {
  if constexpr (is_co_task<std::remove_cvref_t<A>>)
    return awaited.internal_awaiter();
  else
    return awaiter_of(std::forward<A>(awaited));
}

/// Waits until `s` is done. What is to be thrown in the caller meanwhile is passed on instead, if
/// `pass_on` (void()) can, and else stays pending; gives it.
template <class PassOn>
std::exception_ptr wait_passing_on(state& s, PassOn&& pass_on, std::coroutine_handle<> driver) {
  std::exception_ptr interrupt;
  if constexpr (!std::is_same_v<std::decay_t<PassOn>, std::nullptr_t>) {
    try {
      wait_done(s, INT64_MAX, blocking_call::coroutine_await);
      return nullptr;
    } catch (const deadlock_error&) { // nobody will ever go on with the driver
      if (driver) driver.destroy();
      throw;
    } catch (...) {
      interrupt = std::current_exception();
    }
    pass_on();
  }
  // Whatever was awaited may use what is on this stack.
  [&]() noexcept { wait_done(s, INT64_MAX, blocking_call::coroutine_await); }();
  return interrupt;
}

} // namespace detail

/// In a fiber: waits until the awaitable is done, and gives its result or rethrows, as `co_await`
/// would in a coroutine. Takes whatever a coroutine can await, and weft's futures and tasks. Model:
/// asyncio's await, from the other side.
///
///     int n = weft::await(some_library.async_count());
///
/// Parks the fiber, or blocks a thread without a hub; a switch point unless it is done at once. In
/// a callback: std::logic_error. The awaitable may resume on any thread.
///
/// Cancellation passes on, as in asyncio: a weft future, task or co_task, and anything that has a
/// member `cancel()`, is cancelled when the caller is (or is to get another exception); then the
/// call waits for its end. If it ended by being cancelled the caller's own exception is thrown;
/// else it swallowed the request, and its result or exception counts. Other awaitables cannot be
/// left before they are done, since they may use the caller's stack: the request stays pending.
template <awaitable A>
auto await(A&& awaited) -> detail::await_result_t<A> {
  using result = detail::await_result_t<A>;
  using plain = std::remove_cvref_t<A>;
  detail::check_may_block();
  if constexpr (std::derived_from<plain, future_base>) {
    if (!awaited.valid()) detail::throw_no_state("await");
    const std::exception_ptr interrupt = detail::wait_passing_on(
        *awaited.internal_state(), [&] { awaited.cancel(); }, nullptr);
    try {
      return std::forward<A>(awaited).get();
    } catch (const task_cancelled&) {
      if (interrupt) std::rethrow_exception(interrupt);
      throw;
    }
  } else {
    using kept = std::conditional_t<std::is_rvalue_reference_v<result>,
                                    std::remove_reference_t<result>, result>;
    promise<kept> done;
    auto f = done.get_future();
    auto&& awaiter = detail::driven(std::forward<A>(awaited));
    const std::coroutine_handle<> driver = detail::drive<kept>(awaiter, std::move(done)).coroutine;
    const bool at_once = f.done();
    std::exception_ptr interrupt;
    if (!at_once) {
      if constexpr (requires { awaited.cancel(); })
        interrupt = detail::wait_passing_on(
            *f.internal_state(), [&] { awaited.cancel(); }, driver);
      else
        interrupt = detail::wait_passing_on(*f.internal_state(), nullptr, driver);
    }
    // In a coroutine that ran on this very fiber it was this fiber's own.
    if (at_once && f.was_cancelled()) throw cancelled();
    try {
      return std::move(f).get();
    } catch (const task_cancelled&) {
      if (interrupt) std::rethrow_exception(interrupt);
      throw;
    }
  }
}

template <class T>
T co_task<T>::operator()() {
  return weft::await(std::move(*this));
}

} // namespace weft

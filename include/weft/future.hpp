// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <weft/deadline.hpp>
#include <weft/detail/blocking_call.hpp>
#include <weft/detail/state.hpp>
#include <weft/error.hpp>

namespace [[gnu::visibility("default")]] weft {

template <class T>
class future;

namespace detail {

/// Waits until `s` is done or `until` (steady_clock nanoseconds; 0: does not wait). A switch
/// point unless `s` is done already. Says whether it is done.
bool wait_done(state& s, std::int64_t until, blocking_call call);
bool cancel_state(state& s, std::exception_ptr error) noexcept;
/// Of one that is done otherwise than with a value of its own: the state that has the value, or
/// throws what it ended with.
state& forwarded_value(state& s);
[[noreturn]] void throw_outcome(state& s);
[[noreturn]] void throw_no_state(const char* call);
std::exception_ptr outcome_exception(state& s);

/// A done callback: `call` runs the user's and destroys the object; `drop` only destroys it.
struct callback_base {
  virtual void call() = 0;
  virtual ~callback_base() = default;
};
void add_callback(state& s, std::unique_ptr<callback_base> callback);

} // namespace detail

/// What all handles share, whatever the type of the result. Copyable: copies refer to the same
/// state. Copies may be used by several threads at once, one object by one thread at a time.
class future_base {
 public:
  future_base() noexcept = default;

  /// Whether it refers to anything. All else but assignment throws `future_error` if not.
  [[nodiscard]] bool valid() const noexcept { return static_cast<bool>(state_); }

  /// Whether there is an outcome. Any thread; never blocks.
  [[nodiscard]] bool done() const { return checked("done").done(); }

  /// Whether the outcome is that it was cancelled.
  [[nodiscard]] bool was_cancelled() const {
    return checked("was_cancelled").outcome.load(std::memory_order_acquire) ==
           detail::outcome_kind::cancelled;
  }

  /// Waits until there is an outcome; never rethrows it. In a fiber (and on the thread of a hub)
  /// parks the fiber: a switch point, at which the caller's own cancellation is thrown, which
  /// leaves what it waits for alone (but see gather, whose future passes it on to its children).
  /// On a thread without a hub blocks the thread.
  /// Throws `deadlock_error` if a fiber waits for itself; std::logic_error inside a callback.
  void wait() const {
    if (detail::state& s = checked("wait"); !s.done())
      detail::wait_done(s, INT64_MAX, detail::blocking_call::wait);
  }

  /// The same with a limit; says whether there is an outcome.
  bool wait_for(deadline limit) const {
    return detail::wait_done(checked("wait_for"), limit.absolute(), detail::blocking_call::wait);
  }

  /// The exception that it ended with, null if there is a result, a `task_cancelled` if it was
  /// cancelled. Never blocks; throws `future_error` if there is no outcome yet. Counts as having
  /// looked: the exception will not be reported as unhandled.
  [[nodiscard]] std::exception_ptr exception() const {
    return detail::outcome_exception(checked("exception"));
  }

  /// Requests cancellation; false, without effect, if there is an outcome already.
  ///
  /// Of a task: `weft::cancelled` is thrown inside its fiber at its current or next switch
  /// point; see task. Of a promise's future: its outcome is now "cancelled" (asyncio
  /// Future.cancel). Of gather's: all children are cancelled. Any thread. Never blocks, no switch
  /// point.
  bool cancel() const noexcept { return state_ && detail::cancel_state(*state_, nullptr); }

  /// Whether two handles refer to the same task or promise.
  friend bool operator==(const future_base& a, const future_base& b) noexcept {
    return a.state_.get() == b.state_.get();
  }

  /// Not part of the interface.
  explicit future_base(detail::state_ref s) noexcept : state_(std::move(s)) {}
  [[nodiscard]] detail::state* internal_state() const noexcept { return state_.get(); }

 protected:
  detail::state& checked(const char* call) const {
    if (!state_) [[unlikely]]
      detail::throw_no_state(call);
    return *state_;
  }

  detail::state_ref state_;
};

/// What will be there later: a value, an exception, or that it was cancelled. Model:
/// asyncio.Future, std::shared_future.
///
/// Copyable and shared. `T` may be move-only, void or a reference. Any thread may use its copy.
template <class T>
class [[nodiscard]] future : public future_base {
  using slot = detail::result_slot<T>;
  using const_result = std::conditional_t<
      std::is_void_v<T>, void,
      std::conditional_t<std::is_reference_v<T>, T, std::add_lvalue_reference_t<const T>>>;

 public:
  using value_type = T;
  using future_base::future_base;

  /// Waits as `wait()` does and gives the result, as often as asked, or rethrows the exception
  /// that it ended with. If it was cancelled: throws `task_cancelled`, which is not the caller's
  /// own cancellation.
  const_result get() const& {
    detail::state& s = outcome();
    if constexpr (std::is_reference_v<T>)
      return static_cast<T>(*slot::of(s));
    else if constexpr (!std::is_void_v<T>)
      return slot::of(s);
  }

  /// The same of an rvalue, `std::move(f).get()`: moves the result out of the state that all
  /// copies share, and lets go of it.
  T get() && {
    detail::state& s = outcome();
    const detail::state_ref mine = std::move(state_);
    if constexpr (std::is_reference_v<T>)
      return static_cast<T>(*slot::of(s));
    else if constexpr (!std::is_void_v<T>)
      return std::move(slot::of(s));
  }

  /// A copy of the result if there is one already (`true` for void, a pointer for a reference);
  /// empty while there is no outcome. Rethrows as `get` does. Never blocks.
  [[nodiscard]] auto try_get() const {
    if constexpr (std::is_void_v<T>) {
      if (!done()) return false;
      get();
      return true;
    } else if constexpr (std::is_reference_v<T>) {
      return done() ? std::addressof(get()) : nullptr;
    } else {
      return done() ? std::optional<T>(get()) : std::nullopt;
    }
  }

  /// Calls `f(future)` or `f()` once there is an outcome: on the hub that this thread has now,
  /// from its loop; on a thread without a hub (or if that hub has ended by then), on the thread
  /// that completes. If there is an outcome already, likewise, and never inside this call unless
  /// the thread has no hub.
  ///
  /// Callbacks run in the order in which they were added, and before any waiter that began to
  /// wait later resumes. One may not block (std::logic_error); spawn for that. What one throws
  /// goes to the error handler and the others still run. Any thread.
  template <class F>
  void add_done_callback(F&& f) const {
    using callable = std::decay_t<F>;
    struct callback final : detail::callback_base {
      callback(F&& g, const future& of) : call_(std::forward<F>(g)), of_(of) {}
      void call() override {
        if constexpr (std::is_invocable_v<callable&, future>)
          std::invoke(call_, of_);
        else
          std::invoke(call_);
      }
      callable call_;
      future of_;
    };
    detail::add_callback(checked("add_done_callback"),
                         std::make_unique<callback>(std::forward<F>(f), *this));
  }

 private:
  detail::state& outcome() const {
    detail::state& s = checked("get");
    if (!s.done()) detail::wait_done(s, INT64_MAX, detail::blocking_call::get);
    if (s.outcome.load(std::memory_order_acquire) != detail::outcome_kind::value) [[unlikely]]
      return detail::forwarded_value(s);
    return s;
  }
};

} // namespace weft

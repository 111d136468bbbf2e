// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>

#include <weft/future.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
bool kill_task(state& s, std::exception_ptr error, std::int64_t until);
std::string task_name(const state& s);
} // namespace detail

/// What a handle of a fiber has beyond a future. Model: gevent.Greenlet.
///
/// A cancelled fiber gets `weft::cancelled` thrown at its current or next switch point. It may
/// clean up, block while doing so, and swallow the request (then its value counts). Not started
/// yet: its body never runs, waiters and callbacks still fire. Several requests before delivery
/// deliver one exception; a later one delivers again. A fiber that cancels itself gets it at its
/// next switch point. Not delivered, but kept pending: while the fiber unwinds, and wherever the
/// exception would run into a `noexcept` function or a destructor.
template <class Base>
class task_interface : public Base {
 public:
  using Base::Base;

  /// Waits until the task is done; never rethrows. As `wait`.
  void join() const {
    if (detail::state& s = this->checked("join"); !s.done())
      detail::wait_done(s, INT64_MAX, detail::blocking_call::join);
  }
  /// The same with a limit; says whether it is done.
  bool join(deadline limit) const {
    return detail::wait_done(this->checked("join"), limit.absolute(), detail::blocking_call::join);
  }

  /// `cancel()`, and waits until the task is at its end. On oneself: throws `cancelled` at once.
  void kill() const { detail::kill_task(this->checked("kill"), nullptr, INT64_MAX); }
  /// The same with a limit; says whether the task is at its end.
  bool kill(deadline limit) const {
    return detail::kill_task(this->checked("kill"), nullptr, limit.absolute());
  }

  /// As given to spawn, else "fiber-" and its id.
  [[nodiscard]] std::string name() const { return detail::task_name(this->checked("name")); }
  /// Unique in the process.
  [[nodiscard]] std::uint64_t id() const { return this->checked("id").id; }
};

/// A spawned fiber's handle: a future of its result that can also be joined and killed.
/// Copyable, shared; dropping all handles lets the fiber run on (gevent, Go).
template <class T>
class task : public task_interface<future<T>> {
 public:
  using task_interface<future<T>>::task_interface;
};

/// A handle of any task or future, whatever its result.
class any_task : public task_interface<future_base> {
 public:
  using task_interface::task_interface;
  any_task() noexcept = default;
  template <class T>
  any_task(const future<T>& f) noexcept : any_task(static_cast<const future_base&>(f)) {}
  template <class T>
  any_task(future<T>&& f) noexcept : any_task(static_cast<future_base&&>(f)) {}

  /// Waits as `wait` does; rethrows what it ended with, as `future::get`. The result is dropped.
  void get() const {
    detail::state& s = checked("get");
    detail::wait_done(s, INT64_MAX, detail::blocking_call::get);
    if (s.outcome.load(std::memory_order_acquire) != detail::outcome_kind::value)
      detail::forwarded_value(s);
  }

 private:
  explicit any_task(const future_base& f) noexcept { static_cast<future_base&>(*this) = f; }
  explicit any_task(future_base&& f) noexcept { static_cast<future_base&>(*this) = std::move(f); }
};

/// Throws `error` inside the task's fiber at its current or next switch point, by the rules of
/// cancellation (gevent's Greenlet.throw, without waiting). Not started yet: the task ends with
/// `error`. False, without effect, if it is done. Any thread; never blocks, no switch point.
template <class Base>
bool throw_into(const task_interface<Base>& t, const std::exception_ptr& error) {
  if (!t.internal_state()) detail::throw_no_state("throw_into");
  return detail::cancel_state(*t.internal_state(), error);
}
template <class Base, class E>
requires(!std::is_convertible_v<E, std::exception_ptr>) bool throw_into(
    const task_interface<Base>& t, E error) {
  return throw_into(t, std::make_exception_ptr(std::move(error)));
}

} // namespace weft

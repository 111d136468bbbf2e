// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <weft/future.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {

state_ref new_promise(const state_type& type);
/// Starts settling: from here on nobody else can. False if somebody did.
bool try_claim(state& s) noexcept;
/// The same; throws `future_error`.
void claim(state& s);
/// Gives the claim back after the value could not be made.
void unclaim(state& s) noexcept;
void settle_claimed(state& s, outcome_kind kind) noexcept;
void set_error(state& s, std::exception_ptr error);
void abandon_promise(state& s) noexcept;

} // namespace detail

/// The setting end of a future. Settable once, from any fiber of any hub and any kernel thread;
/// setting never blocks and is no switch point. Model: asyncio.Future, std::promise.
///
///     weft::promise<int> p;
///     std::thread t([&] { p.set_value(42); });
///     p.get_future().get();  // parks this fiber until the thread has set it
///
/// Movable. Destroyed unset, its future gets a `broken_promise`.
template <class T>
class promise {
 public:
  promise() : state_(detail::new_promise(detail::promise_type<T>)) {}
  promise(promise&&) noexcept = default;
  promise& operator=(promise&& other) noexcept {
    promise previous(std::move(*this));
    state_ = std::move(other.state_);
    return *this;
  }
  ~promise() {
    if (state_ && !state_->done()) detail::abandon_promise(*state_);
  }

  /// As often as asked; all refer to the same state.
  [[nodiscard]] future<T> get_future() const { return future<T>(copy()); }

  /// Whether it was set, or its future cancelled.
  [[nodiscard]] bool done() const { return checked().done(); }

  /// Sets the result, made from the arguments. Throws `future_error` if there is an outcome
  /// already (then the arguments are untouched) and what making the result throws (then it can
  /// still be set).
  template <class... Args>
  requires(std::is_void_v<T> ? sizeof...(Args) == 0
                             : sizeof...(Args) > 0) void set_value(Args&&... args) {
    detail::state& s = checked();
    detail::claim(s);
    try {
      detail::result_slot<T>::emplace(s, [&]() -> T {
        if constexpr (std::is_reference_v<T>)
          return (static_cast<T>(args), ...);
        else if constexpr (!std::is_void_v<T>)
          return T(std::forward<Args>(args)...);
      });
    } catch (...) {
      detail::unclaim(s);
      throw;
    }
    detail::settle_claimed(s, detail::outcome_kind::value);
  }

  /// Sets an exception as the outcome. Throws `future_error` if there is one already, or if
  /// `error` is null.
  void set_exception(const std::exception_ptr& error) { detail::set_error(checked(), error); }
  template <class E>
  requires(!std::is_convertible_v<E, std::exception_ptr>) void set_exception(E&& error) {
    set_exception(std::make_exception_ptr(std::forward<E>(error)));
  }

  /// Makes the outcome "cancelled"; false if there is one already.
  bool cancel() noexcept { return state_ && detail::cancel_state(*state_, nullptr); }

 private:
  detail::state_ref copy() const {
    checked();
    return state_;
  }
  detail::state& checked() const {
    if (!state_) [[unlikely]]
      detail::throw_no_state("promise");
    return *state_;
  }

  detail::state_ref state_;
};

} // namespace weft

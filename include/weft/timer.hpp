// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/future.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
struct timed_call;
std::shared_ptr<timed_call> new_timed_call(std::int64_t when, std::int64_t period,
                                           std::unique_ptr<callback_base> callback);
bool cancel_timed_call(timed_call& call) noexcept;
bool timed_call_active(const timed_call& call) noexcept;
std::int64_t period_of(deadline period);

template <class F>
std::unique_ptr<callback_base> make_callback(F&& f) {
  struct callback final : callback_base {
    explicit callback(F&& g) : call_(std::forward<F>(g)) {}
    void call() override { std::invoke(call_); }
    std::decay_t<F> call_;
  };
  return std::make_unique<callback>(std::forward<F>(f));
}
} // namespace detail

/// A call that is to come. Copyable, shared; dropping it changes nothing. Model:
/// asyncio.TimerHandle.
class timer_handle {
 public:
  timer_handle() noexcept = default;
  explicit timer_handle(std::shared_ptr<detail::timed_call> call) noexcept
      : call_(std::move(call)) {}

  /// The call will not be made (any more); false if that was so already. Any thread; from
  /// another than its hub's, a call that has just begun is still made.
  bool cancel() const noexcept { return call_ && detail::cancel_timed_call(*call_); }
  /// Whether a call is still to come.
  [[nodiscard]] bool active() const noexcept { return call_ && detail::timed_call_active(*call_); }

 private:
  std::shared_ptr<detail::timed_call> call_;
};

/// Calls `f()` once, after a span or at a time point, from the loop of this thread's hub (made
/// if there is none). `f` may not block (std::logic_error): spawn for that, or use spawn_later.
/// What it throws goes to the error handler. Not called when the thread ends before. Never
/// blocks, no switch point. Model: asyncio's loop.call_later and call_at.
template <class F>
timer_handle call_later(deadline when, F&& f) {
  return timer_handle(
      detail::new_timed_call(when.absolute(), 0, detail::make_callback(std::forward<F>(f))));
}
/// The same, by the name for time points.
template <class Clock, class Duration, class F>
timer_handle call_at(std::chrono::time_point<Clock, Duration> when, F&& f) {
  return call_later(when, std::forward<F>(f));
}

/// Calls `f()` every `period`, for the first time one period from now. Times are multiples of
/// the period and do not drift; those that were missed are left out. Throws
/// std::invalid_argument for a period that is not above zero. Otherwise as call_later.
template <class Rep, class Period, class F>
timer_handle every(std::chrono::duration<Rep, Period> period, F&& f) {
  return timer_handle(detail::new_timed_call(deadline(period).absolute(),
                                             detail::period_of(deadline(period)),
                                             detail::make_callback(std::forward<F>(f))));
}

} // namespace weft

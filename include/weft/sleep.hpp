// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include <weft/deadline.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
void sleep_until(std::int64_t when);
}

/// Goes to the back of the ready queue. I/O and timers still get their turn, however many fibers
/// yield in a loop. A switch point: cancellation is thrown. On a thread without a hub yields the
/// thread. Throws std::logic_error inside a callback. Model: gevent.sleep(0), asyncio.sleep(0).
void yield();

/// Sleeps for a span or until a time point; for a span of zero or less, or a point in the past,
/// yields. Parks the fiber; a switch point. On a thread without a hub sleeps the thread.
/// Never early; late by scheduling and up to 16 us.
///
///     weft::sleep(100ms);
inline void sleep(deadline until) {
  detail::sleep_until(until.absolute());
}

/// std::this_thread's names for fibers.
namespace this_fiber {
using weft::yield;
template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> span) {
  weft::sleep(span);
}
template <class Clock, class Duration>
void sleep_until(std::chrono::time_point<Clock, Duration> point) {
  weft::sleep(point);
}
} // namespace this_fiber

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#include "weft/sleep.hpp"

#include <time.h>

#include <cerrno>
#include <thread>

#include "runtime/sched/hub.hpp"

namespace weft {

void yield() {
  if (hub* h = detail::this_hub) [[likely]]
    h->yield();
  else
    std::this_thread::yield();
}

void detail::sleep_until(std::int64_t when) {
  hub* h = this_hub;
  if (when == 0) return yield();
  if (h) {
    h->switch_point();
    if (h->park(when, blocking_call::sleep) == wake::interrupted) h->throw_interrupt();
    return;
  }
  timespec until{};
  until.tv_sec = when / 1'000'000'000;
  until.tv_nsec = when % 1'000'000'000;
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

} // namespace weft

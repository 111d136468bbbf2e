// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <errno.h>
#include <time.h>

#include "patch/kernel/clock_deadline.hpp"
#include "patch/kernel/green.hpp"
#include "patch/kernel/user_memory.hpp"
#include "runtime/core/clock.hpp"

/// The kernel's ways of saying when, made into deadlines.
namespace weft::patch {

/// Nanoseconds in `t`; -EINVAL for what the kernel would refuse.
[[nodiscard]] inline core::nanoseconds span_of(const timespec& t) noexcept {
  constexpr core::nanoseconds second = 1'000'000'000;
  if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= second) return -EINVAL;
  if (t.tv_sec >= core::never / second) return core::never;
  return t.tv_sec * second + t.tv_nsec;
}

/// The same of the program's, which may not be readable: -EFAULT.
[[nodiscard]] inline core::nanoseconds span_of(const timespec* from) noexcept {
  timespec t;
  return get_user(t, from) ? span_of(t) : -EFAULT;
}

/// What is left until `deadline`, not less than nothing.
[[nodiscard]] inline timespec time_left(core::nanoseconds deadline) noexcept {
  core::nanoseconds left = deadline - core::monotonic_now();
  if (left < 0) left = 0;
  return {left / 1'000'000'000, left % 1'000'000'000};
}

/// The deadline of a call of g's that may last `span`, which stays the same when the call
/// is restarted. `never` stays never.
[[nodiscard]] inline core::nanoseconds call_deadline(green& g, core::nanoseconds span) noexcept {
  if (span == core::never) return core::never;
  if (!g.call_restarted) g.call_deadline = core::deadline_after(core::monotonic_now(), span);
  return g.call_deadline;
}

} // namespace weft::patch

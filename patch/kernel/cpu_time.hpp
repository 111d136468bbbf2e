// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <time.h>

#include "patch/kernel/green.hpp"
#include "runtime/core/clock.hpp"

/// Processor time of green threads. The kernel counts it for its own threads, and a switch of ours
/// is to cost no system call: nothing is counted until somebody asks for the first time, and what
/// was used until then is the first thread's.
namespace weft::patch {

/// Processor time of the calling kernel thread, or of another of this process.
[[nodiscard]] core::nanoseconds kernel_thread_time() noexcept;
[[nodiscard]] core::nanoseconds kernel_thread_time(pid_t tid) noexcept;

/// What `from` used until now, as it leaves the worker. Only while times are counted.
void charge(green& from) noexcept;

/// What `g` has used. Counts from now on.
[[nodiscard]] core::nanoseconds cpu_time_of(green& g) noexcept;

/// The green thread whose processor time `clock` tells, for g, who asks; else null.
[[nodiscard]] green* thread_of_clock(green& g, clockid_t clock) noexcept;

/// Whether `clock` is one that tells a thread's processor time, whatever thread that is.
[[nodiscard]] constexpr bool is_thread_clock(clockid_t clock) noexcept {
  constexpr clockid_t of_one_thread = 4; // CPUCLOCK_PERTHREAD_MASK
  return clock == CLOCK_THREAD_CPUTIME_ID || (clock < 0 && (clock & of_one_thread) && ~clock & 1);
}

} // namespace weft::patch

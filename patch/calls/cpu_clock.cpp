// SPDX-License-Identifier: BSL-1.0
//
// Processor time of a thread: clock_gettime and getrusage.
#include <sys/resource.h>
#include <sys/syscall.h>

#include "patch/calls/table.hpp"
#include "patch/kernel/cpu_time.hpp"
#include "patch/kernel/cpu_timers.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr core::nanoseconds second = 1'000'000'000;

/// One that was always alone has the kernel's time.
bool is_kernels() noexcept {
  return the_machine().now == phase::single && !the_machine().counts_cpu_time;
}

long on_clock_gettime(green& g, syscall_frame& f) noexcept {
  if (is_kernels()) return pass_to_kernel;
  green* whose = thread_of_clock(g, number(f.rdi));
  if (!whose) return pass_to_kernel;
  const core::nanoseconds used = cpu_time_of(*whose);
  if (any_cpu_timers()) see_to_cpu_timers_of(*whose, used);
  return put_user(pointer<timespec>(f.rsi), timespec{used / second, used % second}) ? 0 : -EFAULT;
}

long on_clock_getres(green& g, syscall_frame& f) noexcept {
  const clockid_t clock = number(f.rdi);
  if (clock == CLOCK_THREAD_CPUTIME_ID || !thread_of_clock(g, clock)) return pass_to_kernel;
  return raw_syscall(SYS_clock_getres, CLOCK_THREAD_CPUTIME_ID, f.rsi);
}

/// RUSAGE_THREAD. What is the kernel's share is not known: all is told as the program's.
long on_getrusage(green& g, syscall_frame& f) noexcept {
  if (number(f.rdi) != RUSAGE_THREAD || is_kernels()) return pass_to_kernel;
  rusage usage;
  const long result = raw_syscall(SYS_getrusage, RUSAGE_THREAD, &usage);
  if (is_error(result)) return result;
  const core::nanoseconds used = cpu_time_of(g);
  usage.ru_utime = {used / second, used % second / 1000};
  usage.ru_stime = {0, 0};
  return put_user(pointer<rusage>(f.rsi), usage) ? 0 : -EFAULT;
}

constexpr call_entry entries[] = {
    {SYS_clock_gettime, virtual_when::always, on_clock_gettime},
    {SYS_clock_getres, virtual_when::active, on_clock_getres},
    {SYS_getrusage, virtual_when::always, on_getrusage},
};

} // namespace

const call_family cpu_clock_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

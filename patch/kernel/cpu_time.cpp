// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/cpu_time.hpp"

#include <sys/syscall.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr clockid_t scheduled_time = 6; // of one thread, CPUCLOCK_SCHED

core::nanoseconds read_clock(clockid_t clock) noexcept {
  timespec time{};
  raw_syscall(SYS_clock_gettime, clock, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

void begin_to_count(green& current) noexcept {
  machine& m = the_machine();
  m.counts_cpu_time = true;
  green* main = find_thread(m.main_tid);
  const bool only_main_ran = main == &current && !m.processors.several();
  if (!main || only_main_ran) return; // the worker's, from its beginning
  main->cpu_time = count_cpu_time_from_now(*current.on);
}

} // namespace

core::nanoseconds kernel_thread_time() noexcept {
  return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

core::nanoseconds kernel_thread_time(pid_t tid) noexcept {
  return read_clock((~tid * 8) | scheduled_time);
}

void charge(green& from) noexcept {
  worker& w = *from.on;
  const core::nanoseconds now = kernel_thread_time();
  from.cpu_time += now - w.cpu_time_counted;
  w.cpu_time_counted = now;
}

core::nanoseconds cpu_time_of(green& g) noexcept {
  green& current = *self();
  if (!the_machine().counts_cpu_time) begin_to_count(current);
  const worker& w = *g.on;
  if (w.current != &g && &g != &current) return g.cpu_time;
  // It may be in a call of the kernel's, on a kernel thread that is not ours.
  const core::nanoseconds now = &w == current.on ? kernel_thread_time() : kernel_thread_time(w.tid);
  return now > w.cpu_time_counted ? g.cpu_time + now - w.cpu_time_counted : g.cpu_time;
}

green* thread_of_clock(green& g, clockid_t clock) noexcept {
  if (!is_thread_clock(clock)) return nullptr;
  if (clock == CLOCK_THREAD_CPUTIME_ID) return &g;
  const pid_t tid = ~(clock >> 3);
  return tid == 0 ? &g : find_thread(tid);
}

} // namespace weft::patch

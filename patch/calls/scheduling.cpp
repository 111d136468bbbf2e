// SPDX-License-Identifier: BSL-1.0
//
// Scheduling class, priority and affinity, which the kernel keeps for each of its threads. One
// whose own differ from the others' gets a kernel thread of its own.
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "patch/calls/table.hpp"
#include "patch/kernel/bound_thread.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/kernel/worker.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// The thread that the program calls `tid`, or null if it is not of this process.
green* thread_of(green& g, pid_t tid) noexcept {
  return tid == 0 ? &g : find_thread(tid);
}

/// The kernel's tid of the kernel thread on which `named` runs: 0 for the calling one, which stands
/// for all that have none of their own.
pid_t kernel_tid(const green& g, const green& named) noexcept {
  return named.bound && &named != &g ? named.bound->tid.load() : 0;
}

long call_for(green& g, const green& named, const syscall_frame& f) noexcept {
  return raw_syscall(static_cast<long>(f.rax), kernel_tid(g, named), f.rsi, f.rdx, f.r10);
}

/// Calls that ask.
long on_asking(green& g, syscall_frame& f) noexcept {
  const green* named = thread_of(g, number(f.rdi));
  return named ? call_for(g, *named, f) : pass_to_kernel;
}

/// Whether the call in `f` would change nothing for a thread that is as the calling worker is.
bool changes_nothing(const syscall_frame& f) noexcept {
  sched_param present{}, wanted{};
  switch (f.rax) {
  case SYS_sched_setscheduler:
    if (raw_syscall(SYS_sched_getscheduler, 0) != number(f.rsi)) return false;
    return raw_syscall(SYS_sched_getparam, 0, &present) == 0 &&
           get_user(wanted, pointer<sched_param>(f.rdx)) &&
           wanted.sched_priority == present.sched_priority;
  case SYS_sched_setparam:
    return raw_syscall(SYS_sched_getparam, 0, &present) == 0 &&
           get_user(wanted, pointer<sched_param>(f.rsi)) &&
           wanted.sched_priority == present.sched_priority;
  case SYS_sched_setaffinity: {
    constexpr std::size_t most = 1024;
    unsigned char now[most] = {}, then[most] = {};
    const std::size_t size = f.rsi < most ? f.rsi : most;
    return raw_syscall(SYS_sched_getaffinity, 0, most, now) > 0 &&
           copy_from_user(then, pointer<unsigned char>(f.rdx), size) &&
           __builtin_memcmp(now, then, most) == 0;
  }
  default:
    return false;
  }
}

/// Gives `named` a kernel thread of its own. 0 or -errno.
long separate(green& g, green& named) noexcept {
  return &named == &g ? bind_thread(g) : bind_other(named);
}

/// Calls that change it.
long on_changing(green& g, syscall_frame& f) noexcept {
  green* named = thread_of(g, number(f.rdi));
  if (!named) return pass_to_kernel;
  if (!named->bound && changes_nothing(f)) return 0;
  if (const long failed = separate(g, *named)) return failed;
  return call_for(g, *named, f);
}

/// nice values are a thread's own on Linux.
long on_setpriority(green& g, syscall_frame& f) noexcept {
  green* named = number(f.rdi) == PRIO_PROCESS ? thread_of(g, number(f.rsi)) : nullptr;
  if (!named) return pass_to_kernel;
  constexpr int zero = 20; // the kernel answers 20 - nice
  if (!named->bound && raw_syscall(SYS_getpriority, PRIO_PROCESS, 0) == zero - number(f.rdx))
    return 0;
  if (const long failed = separate(g, *named)) return failed;
  return raw_syscall(SYS_setpriority, PRIO_PROCESS, kernel_tid(g, *named), f.rdx);
}

long on_getpriority(green& g, syscall_frame& f) noexcept {
  green* named = number(f.rdi) == PRIO_PROCESS ? thread_of(g, number(f.rsi)) : nullptr;
  if (!named) return pass_to_kernel;
  return raw_syscall(SYS_getpriority, PRIO_PROCESS, kernel_tid(g, *named));
}

constexpr call_entry entries[] = {
    {SYS_sched_setaffinity, virtual_when::active, on_changing},
    {SYS_sched_setscheduler, virtual_when::active, on_changing},
    {SYS_sched_setparam, virtual_when::active, on_changing},
    {SYS_sched_setattr, virtual_when::active, on_changing},
    {SYS_sched_getaffinity, virtual_when::active, on_asking},
    {SYS_sched_getscheduler, virtual_when::active, on_asking},
    {SYS_sched_getparam, virtual_when::active, on_asking},
    {SYS_sched_getattr, virtual_when::active, on_asking},
    {SYS_sched_rr_get_interval, virtual_when::active, on_asking},
    {SYS_setpriority, virtual_when::active, on_setpriority},
    {SYS_getpriority, virtual_when::active, on_getpriority},
};

} // namespace

const call_family scheduling_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

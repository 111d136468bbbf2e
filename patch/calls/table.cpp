// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/table.hpp"

#include <errno.h>
#include <sys/syscall.h>

#include "patch/calls/descriptors.hpp"
#include "patch/kernel/futex_word.hpp"
#include "patch/kernel/native.hpp"
#include "patch/kernel/process.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "runtime/core/patch_table.h"

namespace weft::patch {
namespace {

constexpr int table_size = WEFT_VIRTUAL_SIZE;
constinit call_handler handlers[table_size];

struct family {
  const call_family* calls;
  unsigned part; // the weft_family that a program may leave out; 0: needed by all others
};

/// No family's: that none is chosen is a choice too.
constexpr unsigned some_choice = 1u << 31;

constexpr family families[] = {
    {&time_calls, WEFT_FAMILY_TIME},
    {&cpu_clock_calls, 0},
    {&thread_calls, 0},
    {&futex_calls, 0},
    {&signal_calls, 0},
    {&timer_calls, 0},
    {&file_lock_calls, 0},
    {&memory_calls, 0},
    {&process_calls, 0},
    {&descriptor_calls, 0},
    {&transfer_calls, WEFT_FAMILY_SOCKET},
    {&splice_calls, WEFT_FAMILY_SOCKET},
    {&socket_calls, WEFT_FAMILY_SOCKET},
    {&poll_calls, WEFT_FAMILY_SELECT},
    {&select_calls, WEFT_FAMILY_SELECT},
    {&epoll_calls, 0}, // the hubs' own waits
    {&attribute_calls, 0},
    {&scheduling_calls, 0},
    {&ring_calls, 0},
};

/// Calls that weft has no business with and that answer at once, made as fast as the stub can. (The
/// calls about memory may wait for the address space's lock, but not for what a thread does.) All
/// others that have no handler may block, and are made so that they hold nobody up.
constexpr int immediate_calls[] = {
    SYS_rt_sigreturn,
    SYS_restart_syscall,
    SYS_getpid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getgroups,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getpgid,
    SYS_getpgrp,
    SYS_getsid,
    SYS_setpgid,
    SYS_setsid,
    SYS_getrlimit,
    SYS_setrlimit,
    SYS_prlimit64,
    SYS_getrusage,
    SYS_times,
    SYS_time,
    SYS_gettimeofday,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_sysinfo,
    SYS_uname,
    SYS_umask,
    SYS_personality,
    SYS_arch_prctl,
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_madvise,
    SYS_mincore,
    SYS_brk,
    SYS_mlock,
    SYS_munlock,
    SYS_lseek,
    SYS_getcwd,
    SYS_capget,
    SYS_getcpu,
    SYS_membarrier,
    SYS_getitimer,
    SYS_setitimer,
    SYS_alarm,
    SYS_timer_settime,
    SYS_timer_gettime,
    SYS_timer_delete,
    SYS_timer_getoverrun,
    SYS_kill,
    SYS_rt_sigqueueinfo,
    SYS_epoll_create,
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_socketpair,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_bind,
    SYS_listen,
    SYS_eventfd2,
    SYS_eventfd,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_memfd_create,
    SYS_pidfd_open,
    SYS_pidfd_send_signal,
};

/// What may block and is not ours to answer.
long on_other(green&, syscall_frame&) noexcept {
  return pass_to_kernel;
}

bool is_other(int number) noexcept {
  if (handlers[number] && handlers[number] != on_other) return false;
  for (const int immediate : immediate_calls)
    if (immediate == number) return false;
  return true;
}

template <class F>
void for_each_entry(F&& visit) {
  for (const family& f : families)
    for (unsigned i = 0; i < f.calls->count; ++i)
      visit(f.calls->entries[i], f.part);
}

} // namespace

void set_virtual_calls(phase now) noexcept {
  // Programs that make and join one thread at a time do this for each.
  static constinit unsigned prepared_for = 0;
  static constinit std::uint8_t when_single[table_size] = {};
  static constinit std::uint8_t when_active[table_size] = {};
  const unsigned chosen = the_machine().families | some_choice;
  if (prepared_for != chosen) {
    for_each_entry([&](const call_entry& e, unsigned part) {
      handlers[e.number] = part == 0 || (chosen & part) ? e.handler : on_other;
      when_single[e.number] = e.when == virtual_when::always;
      when_active[e.number] = 1;
    });
    for (int number = 0; number < table_size; ++number) {
      if (!is_other(number)) continue;
      handlers[number] = on_other;
      when_active[number] = 1;
    }
    prepared_for = chosen;
  }
  const bool active = now == phase::active;
  // Changes made while calls were not ours were not seen.
  if (active) options_changed();
  __builtin_memcpy(weft_virtual, active ? when_active : when_single, table_size);
}

void change_phase(phase now) noexcept {
  machine& m = the_machine();
  if (now == phase::active)
    m.monitor.start();
  else
    m.monitor.retire();
  set_virtual_calls(now);
}

bool is_virtual_ever(int number) noexcept {
  bool found = false;
  for_each_entry([&](const call_entry& e, unsigned) { found = found || e.number == number; });
  return found || (number < table_size && is_other(number));
}

namespace {

/// g has kept the processor for long, in calls of ours.
void be_preempted(green& g) noexcept {
  g.on->preempt = false;
  give_way(g);
}

/// Handles what is pending for g at the end of a call; says what is to become of `result`,
/// as signal(7) lists it.
long settle(green& g, syscall_frame& frame, long result, bool& again) noexcept {
  route_arrived_signal(*g.on);
  delivery done;
  if (signal_is_deliverable(g)) done = deliver_signals(g, frame);
  if (g.restore_blocked) {
    g.restore_blocked = false;
    set_blocked(g, g.saved_blocked);
  }
  if (result == restart_always) {
    again = true;
  } else if (result == restart_if_allowed) {
    if (done.handled && !done.may_restart) return -EINTR;
    again = true;
  } else if (result == restart_unless_handled) {
    if (done.handled) return -EINTR;
    again = true;
  }
  return result;
}

/// A call of a process that only looks like a green thread (is_double): nothing of weft's may be
/// touched.
dispatch_result pass_doubles_call(syscall_frame& f) noexcept {
  switch (f.rax) {
  case SYS_clone:
  case SYS_clone3:
  case SYS_fork:
  case SYS_vfork:
    return dispatch_result::spawn;
  default:
    f.rax = static_cast<std::uint64_t>(
        raw_syscall(static_cast<long>(f.rax), f.rdi, f.rsi, f.rdx, f.r10, f.r8, f.r9));
    return dispatch_result::done;
  }
}

} // namespace
} // namespace weft::patch

extern "C" void weft_native(weft::patch::syscall_frame* frame) {
  using namespace weft::patch;
  green& g = *self();
  enter_weft(g);
  frame->rax = static_cast<std::uint64_t>(native_call(g, *frame));
  for (;;) {
    if (g.on->preempt.load(std::memory_order_relaxed)) be_preempted(g);
    if (signal_is_deliverable(g)) deliver_signals(g, *frame);
    leave_weft(g);
    if (!signal_is_deliverable(g)) return;
    enter_weft(g);
  }
}

namespace weft::patch {
namespace {

/// Whether a handler's result is the call's own: all of errors.hpp lies below.
bool is_answer(long result) noexcept {
  return result > restart_if_allowed;
}
static_assert(restart_if_allowed > restart_always && restart_if_allowed > restart_unless_handled &&
              restart_if_allowed > pass_to_kernel && restart_if_allowed > spawn_in_kernel &&
              restart_if_allowed > wait_in_kernel);

/// Whether something is to be done at the end of g's call, beyond looking after signals. In one,
/// since nearly always nothing is.
bool has_more_to_do(const green& g) noexcept {
  return g.refused | g.restore_blocked | g.on->preempt.load(std::memory_order_relaxed) |
         g.on->attention.load(std::memory_order_relaxed) | the_machine().may_be_single;
}

/// Whether a signal has come for whomever. (What is pending may be blocked.)
bool signal_came(const green& g) noexcept {
  return g.on->signal_arrived | (g.pending.set() != 0) | (the_machine().signals.pending.set() != 0);
}

/// Handles what came at the last moment: the program's code might make no call for long.
[[gnu::noinline, gnu::cold]] void attend_to_signals(green& g, syscall_frame& frame) noexcept {
  while (signal_is_deliverable(g)) {
    enter_weft(g);
    deliver_signals(g, frame);
    leave_weft(g);
  }
}

/// The end of a call whose handler's first result this is, whatever that means.
[[gnu::noinline, gnu::cold]] dispatch_result finish_call(green& g, syscall_frame& frame,
                                                         long result) noexcept {
  const call_handler handler = handlers[frame.rax];
  for (;;) {
    if (g.refused) {
      g.refused = false;
      if (result == -EINTR || (result <= restart_if_allowed && result >= restart_unless_handled))
        result = -ECANCELED;
    }
    bool again = false;
    // A thread may come back on another worker: nothing about it is kept from before.
    if (g.on->signal_arrived || g.restore_blocked || signal_is_deliverable(g) ||
        (result <= restart_if_allowed && result >= restart_unless_handled))
      result = settle(g, frame, result, again);
    if (!again) break;
    g.call_restarted = true;
    g.call = &frame; // again after a signal handler, whose calls were others
    result = handler(g, frame);
  }
  if (g.on->preempt.load(std::memory_order_relaxed)) be_preempted(g);
  if (the_machine().may_be_single) become_single(g);
  if (result == spawn_in_kernel) {
    leave_for_spawn(g);
    return dispatch_result::spawn;
  }
  g.waits_natively = result == wait_in_kernel;
  const bool answered = result != wait_in_kernel && result != pass_to_kernel;
  if (answered) frame.rax = static_cast<std::uint64_t>(result);
  leave_weft(g);
  attend_to_signals(g, frame);
  return answered ? dispatch_result::done : dispatch_result::native;
}

} // namespace
} // namespace weft::patch

extern "C" weft::patch::dispatch_result weft_dispatch(weft::patch::syscall_frame* frame) {
  using namespace weft::patch;
  green& g = *self();
  if (g.has_double && is_double(g)) [[unlikely]]
    return pass_doubles_call(*frame);
  enter_weft(g);
  g.call_restarted = false;
  g.has_call_mask = false;
  g.call = frame;
  const long result = handlers[frame->rax](g, *frame);
  if (!is_answer(result) || has_more_to_do(g)) [[unlikely]]
    return finish_call(g, *frame, result);
  frame->rax = static_cast<std::uint64_t>(result);
  the_machine().lock.release();
  g.in_kernel = false;
  asm volatile("" ::: "memory"); // a signal from here on finds the program's code
  if (signal_came(g)) [[unlikely]] {
    if (g.on->signal_arrived) leave_weft_again(g);
    attend_to_signals(g, *frame);
  }
  return dispatch_result::done;
}

extern "C" void weft_finish_wake(weft::patch::syscall_frame* frame) {
  using namespace weft::patch;
  green& g = *self();
  enter_weft(g);
  g.call_restarted = false;
  g.has_call_mask = false;
  g.call = frame;
  finish_call(g, *frame, 1);
}

extern "C" weft::patch::quick_wake weft_wake(const std::uint32_t* word, void* list) {
  using namespace weft::patch;
  green& g = *self();
  g.in_kernel = true;
  asm volatile("" ::: "memory");
  futex_waiter& w = static_cast<weft::core::list<futex_waiter>*>(list)->front();
  // To wake a fiber is a call out of here, which needs more than the stub has made ready.
  const bool plain = w.word == word && !w.wants_lock && !w.lock && !w.thread->fiber;
  if (plain) finish(w);
  g.in_kernel = false;
  asm volatile("" ::: "memory");
  if (!plain) return quick_wake::refused;
  return has_more_to_do(g) || signal_came(g) ? quick_wake::finish : quick_wake::done;
}

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/native.hpp"

#include <errno.h>
#include <linux/sched.h>
#include <sys/syscall.h>

#include <cstddef>

#include "patch/kernel/configuration.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/native_layout.h"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/worker.hpp"
#include "patch/kernel/worker_credentials.hpp"

extern "C" {
long weft_native_call(const weft::patch::syscall_frame* frame);
extern const char weft_native_made[];
}

// The offsets of classes with bases are well-defined in every compiler that builds this.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace weft::patch {
namespace {

constexpr unsigned instruction_size = 2; // of `syscall`

/// Calls that signal(7) says never go on after a handler, whatever its SA_RESTART.
bool never_restarts(long number) noexcept {
  switch (number) {
  case SYS_semop:
  case SYS_semtimedop:
  case SYS_msgsnd:
  case SYS_msgrcv:
  case SYS_io_getevents:
  case SYS_io_pgetevents:
  case SYS_nanosleep:
  case SYS_clock_nanosleep:
  case SYS_poll:
  case SYS_ppoll:
  case SYS_select:
  case SYS_pselect6:
  case SYS_epoll_wait:
  case SYS_epoll_pwait:
  case SYS_epoll_pwait2:
  case SYS_pause:
  case SYS_rt_sigsuspend:
  case SYS_rt_sigtimedwait:
    return true;
  default:
    return false;
  }
}

static_assert(offsetof(green, on) == WEFT_GREEN_ON);
static_assert(offsetof(worker, state) == WEFT_WORKER_STATE);
static_assert(static_cast<int>(worker_state::running) == WEFT_RUNNING);
static_assert(static_cast<int>(worker_state::in_native) == WEFT_IN_NATIVE);

/// To be told from other calls that w, the caller's worker, has made.
void count_call(worker& w) noexcept {
  w.native_calls.store(w.native_calls.load(std::memory_order_relaxed) + 1,
                       std::memory_order_relaxed);
}

void count_in(green& g, std::atomic<unsigned>& count) noexcept {
  forget_waiter(g); // if a handler has left the last one for good
  g.counted_in = &count;
  ++count;
}

/// Before a call that is to wait the processor is given to whoever can use it, not left to be taken
/// away some milliseconds later. False: nobody can.
bool give_away(green& g) noexcept {
  machine& m = the_machine();
  worker& w = *g.on;
  if (w.holds->ready.empty() && !m.returned.load(std::memory_order_relaxed)) return false;
  // Nobody's kernel thread is made from one that is a thread's own.
  worker* other = g.bound ? take_any_spare() : find_worker();
  if (!other) return false;
  set_kernel_mask(every_signal);
  w.kernel_blocks_all = true;
  route_arrived_signal(w);
  const bool given = !signal_is_deliverable(g);
  if (given) {
    processor& p = *w.holds;
    w.holds = nullptr;
    w.state.store(worker_state::without, std::memory_order_relaxed);
    give_processor(p, *other);
    // What comes from here on finds g in the program's code.
    m.lock.release();
    g.in_kernel = false;
  } else {
    return_spare(*other);
  }
  w.kernel_blocks_all = false;
  set_kernel_mask(w.kernel_mask);
  return given;
}

/// g's call goes on after a signal. It is not counted anew: the monitor has to see that it lasts,
/// even if signals come more often than it looks. One that had lost the processor gives it back at
/// once, to whoever gave it up, who looks for events as well. All signals are blocked.
void go_on_waiting(green& g, bool lasts) noexcept {
  worker& w = *g.on;
  worker* other = lasts ? take_any_spare() : nullptr;
  if (!other) return;
  processor& p = *w.holds;
  w.holds = nullptr;
  w.state.store(worker_state::without, std::memory_order_relaxed);
  give_processor(p, *other);
}

/// Gives w, on which g came back, a processor that nobody uses.
bool take_idle(green& g) noexcept {
  machine& m = the_machine();
  if (g.bound && g.bound != g.on) return false; // it was given a kernel thread meanwhile
  processor* p = m.processors.several() ? m.processors.find_idle() : nullptr;
  if (!p) return false;
  m.processors.occupy(*p, *g.on);
  return true;
}

/// Takes a processor from a worker that is in a call of the kernel's, if one is. Quicker than to
/// wait for the monitor to find that: two that wait for each other in the kernel have it in turns.
bool take_over(green& g) noexcept {
  if (g.bound && g.bound != g.on) return false;
  for (processor& p : the_machine().processors) {
    worker* holder = p.holder.load(std::memory_order_acquire);
    auto expected = worker_state::in_native;
    if (!holder || !holder->state.compare_exchange_strong(expected, worker_state::without))
      continue;
    ++p.stats.hand_overs;
    g.on->holds = &p;
    p.holder.store(g.on, std::memory_order_release);
    return true;
  }
  return false;
}

} // namespace

namespace {

/// Forgets the processor that w, on which a thread came back, has lost. Not before whoever took it
/// has it: from `state` to `holder` that one reads what w held.
void forget_lost(worker& w) noexcept {
  while (w.holds && w.holds->holder.load(std::memory_order_acquire) == &w)
    let_holder_run();
  w.holds = nullptr;
}

} // namespace

void find_processor(green& g) noexcept {
  forget_lost(*g.on);
  if (!take_idle(g) && !take_over(g)) return wait_for_turn(g);
  worker& w = *g.on;
  w.state.store(worker_state::running, std::memory_order_relaxed);
  follow_credentials(w);
  if (the_machine().signals.worker_mask() != w.kernel_mask) apply_worker_mask(w);
}

long native_call(green& g, const syscall_frame& frame) noexcept {
  g.native_number = static_cast<long>(frame.rax);
  the_machine().monitor.look();
  const bool waits = g.waits_natively;
  g.waits_natively = false;
  if (g.native_number == SYS_connect)
    count_in(g, the_machine().native_connects);
  else if (waits)
    count_in(g, the_machine().native_waiters);
  g.native_frame = &frame;
  if (!waits || !give_away(g)) {
    count_call(*g.on);
    // As the program's own code from here on: what signals do is done at once.
    leave_weft(g);
    // One that came since the call began must not wait for its end.
    if (signal_is_deliverable(g)) send_errand(*g.on, errand::attend);
  }
  // One that is meant to wait holds nobody up.
  const auto told = waits ? nullptr : the_machine().slow_call;
  const core::nanoseconds began = told ? core::monotonic_now() : 0;
  g.ended_by_handler = false;
  long result;
  do
    result = weft_native_call(&frame);
  // The kernel wakes one thread for a signal that another may then take.
  while (result == -EINTR && !g.ended_by_handler && g.native_number != SYS_close);
  forget_waiter(g);
  const core::nanoseconds took = told ? core::monotonic_now() - began : 0;
  // Before the worker is looked at: a handler may have taken g to another one.
  g.in_kernel = true;
  regain_processor(g);
  if (told && took > the_configuration().warn_blocking * 1'000'000L) told(g, frame, took);
  return result;
}

void forget_waiter(green& g) noexcept {
  if (!g.counted_in) return;
  --*g.counted_in;
  g.counted_in = nullptr;
}

void lend_for_spawn(green& g) noexcept {
  if (!(g.spawn_flags & CLONE_VFORK)) return leave_weft(g);
  machine& m = the_machine();
  m.monitor.look();
  for (;;) {
    worker& w = *g.on;
    count_call(w);
    m.lock.release();
    // Before it is the program's code, in which a signal may take g to another worker.
    w.state.store(worker_state::in_native, std::memory_order_release);
    g.in_kernel = false;
    asm volatile("" ::: "memory");
    if (!w.signal_arrived) return;
    g.in_kernel = true;
    regain_processor(g);
    route_arrived_signal(*g.on);
  }
}

void regain_processor(green& g) noexcept {
  const worker_state was = interrupt_native(g);
  the_machine().lock.acquire();
  if (was == worker_state::without) find_processor(g);
}

worker_state interrupt_native(green& g) noexcept {
  auto was = worker_state::in_native;
  g.on->state.compare_exchange_strong(was, worker_state::running);
  return was;
}

bool ended_native_call(const ucontext_t& context) noexcept {
  const greg_t* regs = context.uc_mcontext.gregs;
  return regs[REG_RIP] == reinterpret_cast<greg_t>(weft_native_made) && regs[REG_RAX] == -EINTR;
}

void resume_native(green& g, ucontext_t& context, const delivery& done, bool lasts) noexcept {
  greg_t& rip = context.uc_mcontext.gregs[REG_RIP];
  greg_t& rax = context.uc_mcontext.gregs[REG_RAX];
  const auto begin = reinterpret_cast<greg_t>(weft_native_call);
  const auto made = reinterpret_cast<greg_t>(weft_native_made);
  if (rip < begin || rip > made) return;
  const bool goes_on = !done.handled || (done.may_restart && !never_restarts(g.native_number));
  g.ended_by_handler = !goes_on;
  if (rip == made && rax == -EINTR && goes_on && g.native_number != SYS_close) {
    rip = made - instruction_size;
    rax = g.native_number;
  } else if (rip == made - instruction_size && !goes_on) {
    rip = made;
    rax = -EINTR;
  }
  if (rip == made) return;
  go_on_waiting(g, lasts);
  rip = begin;
  context.uc_mcontext.gregs[REG_RDI] = reinterpret_cast<greg_t>(g.native_frame);
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/native.hpp"

#include <errno.h>
#include <sys/syscall.h>

#include "patch/kernel/configuration.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signals.hpp"
#include "patch/kernel/worker.hpp"

extern "C" {
long weft_native_call(const weft::patch::syscall_frame* frame);
extern const char weft_native_made[];
}

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

/// From now on g's worker, the caller's, may lose the processor.
void mark(green& g) noexcept {
  worker& w = *g.on;
  w.native_calls.store(w.native_calls.load(std::memory_order_relaxed) + 1,
                       std::memory_order_relaxed);
  w.state.store(worker_state::in_native, std::memory_order_release);
}

} // namespace

long native_call(green& g, const syscall_frame& frame) noexcept {
  g.native_number = static_cast<long>(frame.rax);
  the_machine().monitor.look();
  // As the program's own code from here on: what signals do is done at once.
  leave_weft(g);
  const auto told = the_machine().slow_call;
  const core::nanoseconds began = told ? core::monotonic_now() : 0;
  mark(g);
  const long result = weft_native_call(&frame);
  const core::nanoseconds took = told ? core::monotonic_now() - began : 0;
  // Before the worker is looked at: a handler may have taken g to another one.
  g.in_kernel = true;
  if (interrupt_native(g) == worker_state::without) wait_for_turn(g);
  if (told && took > the_configuration().warn_blocking * 1'000'000L) told(g, frame, took);
  return result;
}

worker_state interrupt_native(green& g) noexcept {
  auto was = worker_state::in_native;
  g.on->state.compare_exchange_strong(was, worker_state::running);
  return was;
}

void resume_native(green& g, ucontext_t& context, const delivery& done) noexcept {
  greg_t& rip = context.uc_mcontext.gregs[REG_RIP];
  greg_t& rax = context.uc_mcontext.gregs[REG_RAX];
  const auto begin = reinterpret_cast<greg_t>(weft_native_call);
  const auto made = reinterpret_cast<greg_t>(weft_native_made);
  if (rip < begin || rip > made) return;
  const bool goes_on = !done.handled || (done.may_restart && !never_restarts(g.native_number));
  if (rip == made && rax == -EINTR && goes_on && g.native_number != SYS_close) {
    rip = made - instruction_size;
    rax = g.native_number;
  } else if (rip == made - instruction_size && !goes_on) {
    rip = made;
    rax = -EINTR;
  }
  if (rip < made) mark(g);
}

} // namespace weft::patch

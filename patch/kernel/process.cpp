// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/process.hpp"

#include <linux/sched.h>
#include <sys/syscall.h>

#include "patch/kernel/configuration.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/native.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

void start_over_in_child(green& g) noexcept {
  machine& m = the_machine();
  keep_only(g);
  m.futexes.reset();
  if (m.signals.waiter_descriptor >= 0) close_own(m.signals.waiter_descriptor);
  m.signals.reset_after_fork(g);
  m.ring.reset_after_fork();
  m.futex_ring.reset_after_fork();
  m.transfers.reset_after_fork();
  m.clocks.reset_after_fork();
  m.native_waiters = m.native_connects = 0;
  g.counted_in = nullptr;
  m.files.reset_after_fork();
  reset_scheduler_after_fork(g);
  g.on->kernel_blocks_all = false; // all was blocked meanwhile
  set_kernel_mask(g.on->kernel_mask);
  // What others' calls kept open: nobody here goes on with them.
  for (int fd; (fd = next_own_descriptor(0, ~0u)) >= 0;)
    close_own(fd);
  m.stats = statistics{};
  m.stats.threads_peak = m.stats.threads_made = 1;
  for (processor& p : m.processors)
    p.stats.reset();
  m.lock.forget_statistics();
}

/// What is inherited from the kernel thread is made what the program believes it to be.
void show_as_caller(green& g) noexcept {
  worker& w = *g.on;
  w.kernel_mask = g.blocked;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &w.kernel_mask, nullptr, 8);
  show_own_handling(true);
}

} // namespace

void before_spawn(green& g, std::uint64_t flags) noexcept {
  show_as_caller(g);
  g.spawn_flags = flags;
  g.spawning = true;
  if (flags & CLONE_VM) g.passthrough = 1;
  // A process that shares our memory and not our suspension may wait for any word in it.
  if ((flags & CLONE_VM) && !(flags & CLONE_VFORK)) {
    the_machine().futexes.expect_outsiders();
    if (!(flags & CLONE_SETTLS)) g.has_double = true;
  }
}

namespace {

/// A child gets a copy of the machine, which must be whole: while that is made nobody else may
/// change it. And no signal finds the child before that is its own.
bool is_copied(const green& g) noexcept {
  return !(g.spawn_flags & CLONE_VM);
}

} // namespace

void leave_for_spawn(green& g) noexcept {
  if (!is_copied(g)) return lend_for_spawn(g);
  g.on->kernel_blocks_all = true;
  set_kernel_mask(every_signal);
  keep_workers_still(true);
}

bool is_double(const green& g) noexcept {
  return g.has_double && raw_syscall(SYS_getpid) != the_machine().main_tid;
}

void before_exec(green& g) noexcept {
  show_as_caller(g);
  // What is pending stays so.
  hand_pending_to_kernel(g);
}

void after_failed_exec(green& g) noexcept {
  show_own_handling(false);
  apply_worker_mask(*g.on);
}

void before_exit() noexcept {
  walk_all_robust_lists();
  const machine& m = the_machine();
  switch (the_configuration().statistics) {
  case report_form::none:
    return;
  case report_form::text:
    return print(m.stats, m.processors, m.lock.statistics());
  case report_form::json:
    return print_json(m.stats, m.processors, m.lock.statistics(),
                      static_cast<int>(raw_syscall(SYS_getpid)));
  }
}

void end_process(int status) noexcept {
  before_exit();
  for (;;)
    raw_syscall(SYS_exit_group, status);
}

} // namespace weft::patch

extern "C" void weft_after_spawn(weft::patch::syscall_frame* frame) {
  using namespace weft::patch;
  green& g = *self();
  if (!g.spawning && is_double(g)) return;
  g.in_kernel = true;
  g.passthrough = 0;
  g.spawning = false;
  const bool in_child = frame->rax == 0;
  if (is_copied(g)) {
    // What had arrived is the parent's. The child begins to hear of its own when it is whole.
    if (in_child)
      g.on->signal_arrived = false;
    else
      g.on->kernel_blocks_all = false;
    keep_workers_still(false);
  } else if (!in_child) {
    regain_processor(g);
  }
  show_own_handling(false);
  if (in_child)
    start_over_in_child(g);
  else
    apply_worker_mask(*g.on);
  route_arrived_signal(*g.on);
  if (signal_is_deliverable(g)) deliver_signals(g, *frame);
  leave_weft(g);
}

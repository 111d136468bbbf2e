// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/process.hpp"

#include <errno.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "patch/kernel/configuration.hpp"
#include "patch/kernel/errors.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/object_pool.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

/// One child, and once somebody waits for it its pidfd: readable when it has ended.
struct child : core::list_hook<> {
  pid_t pid;
  int descriptor = -1;
};

namespace {

constinit object_pool<child> pool;

core::list<child>& children() noexcept {
  return the_machine().children;
}

void drop(child& c) noexcept {
  if (c.descriptor >= 0) {
    the_machine().reactor.forget(c.descriptor, 0);
    close_own(c.descriptor);
  }
  c.unlink();
  pool.destroy(&c);
}

/// Whether c is still there to be waited for: with one thread waits are the kernel's, and
/// what those reaped was not noticed.
bool is_still_ours(const child& c) noexcept {
  siginfo_t info;
  return raw_syscall(SYS_waitid, P_PID, c.pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL,
                     nullptr) != -ECHILD;
}

void remember_child(pid_t pid) noexcept {
  static constinit unsigned made = 0;
  static constinit unsigned look_at = 64;
  if (++made >= look_at) {
    made = 0;
    children().for_each([&](child& c) {
      if (is_still_ours(c))
        ++made;
      else
        drop(c);
    });
    look_at = 2 * made + 64;
  }
  if (child* c = pool.make()) {
    c->pid = pid;
    children().push_back(*c);
  }
}

/// How often a wait looks again that no pidfd serves: for a stopped or continued child, and
/// for one that weft did not see being made.
constexpr core::nanoseconds look_again = 20'000'000;

void start_over_in_child(green& g) noexcept {
  machine& m = the_machine();
  keep_only(g);
  m.futexes.reset();
  if (m.signals.waiter_descriptor >= 0) close_own(m.signals.waiter_descriptor);
  m.signals.reset_after_fork(g);
  while (!children().empty()) {
    child& c = children().front();
    if (c.descriptor >= 0) close_own(c.descriptor);
    c.unlink();
    pool.destroy(&c);
  }
  m.ring.reset_after_fork();
  m.files.reset_after_fork();
  reset_scheduler_after_fork(g);
  // What others' calls kept open: nobody here goes on with them.
  for (int fd; (fd = next_own_descriptor(0, ~0u)) >= 0;)
    close_own(fd);
  m.stats = statistics{};
  m.stats.threads_peak = m.stats.threads_made = 1;
}

} // namespace

void before_spawn(green& g, std::uint64_t flags) noexcept {
  worker& w = *g.on;
  w.kernel_mask = g.blocked;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &w.kernel_mask, nullptr, 8);
  show_ignored_faults(true);
  if (flags & CLONE_VM) g.passthrough = 1;
}

long wait_for_children(green& g, pid_t pid, int options) noexcept {
  machine& m = the_machine();
  constexpr unsigned at_once = 32;
  core::io_waiter waiters[at_once];
  unsigned used = 0;
  // What only SIGCHLD would tell, and children beyond those that we can watch.
  bool look = (options & (WUNTRACED | WCONTINUED)) != 0;
  bool found = false;
  prepare_park(g);
  children().for_each([&](child& c) {
    if (pid > 0 && c.pid != pid) return;
    if (c.descriptor < 0 && !is_still_ours(c)) return drop(c);
    found = true;
    if (c.descriptor < 0) {
      const long fd = raw_syscall(SYS_pidfd_open, c.pid, 0);
      if (is_error(fd)) {
        look = true;
        return;
      }
      c.descriptor = move_out_of_sight(fd);
    }
    if (used == at_once) {
      look = true;
      return;
    }
    core::io_waiter& w = waiters[used];
    w.fd = c.descriptor;
    w.wanted = core::io_in;
    w.owner = &g;
    if (m.reactor.add(w) < 0)
      look = true;
    else
      ++used;
  });
  if (!found || pid < -1 || pid == 0) look = true;
  const core::nanoseconds until = look ? core::monotonic_now() + look_again : core::never;
  const wakeup why = park(g, until, park_reason::child, true);
  for (unsigned i = 0; i < used; ++i)
    m.reactor.remove(waiters[i]);
  return why == wakeup::signal ? restart_if_allowed : 0;
}

void forget_child(pid_t pid) noexcept {
  children().for_each([&](child& c) {
    if (c.pid == pid) drop(c);
  });
}

void before_exit() noexcept {
  walk_all_robust_lists();
  const statistics& stats = the_machine().stats;
  switch (the_configuration().statistics) {
  case report_form::none:
    return;
  case report_form::text:
    return print(stats);
  case report_form::json:
    return print_json(stats, static_cast<int>(raw_syscall(SYS_getpid)));
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
  g.in_kernel = true;
  const auto result = static_cast<long>(frame->rax);
  g.passthrough = 0;
  show_ignored_faults(false);
  if (result == 0) {
    start_over_in_child(g);
  } else {
    if (result > 0) remember_child(static_cast<pid_t>(result));
    apply_worker_mask(*g.on);
  }
  route_arrived_signal(*g.on);
  if (signal_is_deliverable(g)) deliver_signals(g, *frame);
  leave_weft(g);
}

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/bound_thread.hpp"

#include <errno.h>
#include <sys/syscall.h>

#include "patch/kernel/credentials.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/worker.hpp"
#include "patch/kernel/worker_credentials.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// The initial kernel thread, where no other thread's call may last, becomes the main thread's own.
long give_initial(green& main) noexcept {
  machine& m = the_machine();
  worker* home = make_worker();
  if (!home) return -EAGAIN;
  return_spare(*home);
  m.initial->bound = &main;
  main.bound = m.initial;
  m.home = home;
  self()->on->holds->budget = 0;
  return 0;
}

long bind_main(green& g) noexcept {
  worker& initial = *the_machine().initial;
  machine& m = the_machine();
  m.home_is_wanted = true;
  while (g.on != &initial && is_asleep(initial))
    yield(g);
  m.home_is_wanted = false;
  return g.on == &initial ? give_initial(g) : -EAGAIN;
}

} // namespace

long bind_thread(green& g) noexcept {
  machine& m = the_machine();
  if (g.bound || m.now == phase::single) return 0;
  if (g.tid == m.main_tid && bind_main(g) == 0) return 0;
  if (!bind_new(g)) return -EAGAIN;
  while (g.on != g.bound)
    yield(g);
  return 0;
}

long bind_other(green& g) noexcept {
  machine& m = the_machine();
  if (g.bound || g.fiber) return 0;
  if (g.tid != m.main_tid) return bind_new(g) ? 0 : -EAGAIN;
  worker& initial = *m.initial;
  const bool slept = take_spare(initial);
  if (!slept && self()->on != &initial) return -EAGAIN;
  const long failed = give_initial(g);
  if (failed && slept) return_spare(initial);
  return failed;
}

bool bind_new(green& g) noexcept {
  worker* own = make_worker();
  if (!own) return false;
  own->bound = &g;
  g.bound = own;
  return true;
}

void unbind_exited(green& g) noexcept {
  worker& own = *g.bound;
  g.bound = nullptr;
  // The initial kernel thread cannot end, and must not be another's with what was changed in it.
  own.bound = &own.idle;
  own.retired = &own != the_machine().initial;
}

void unbind_last(green& g) noexcept {
  if (!g.bound) return;
  machine& m = the_machine();
  if (g.bound == m.initial) {
    m.home = m.initial;
    m.initial->bound = nullptr;
    g.bound = nullptr;
  } else {
    unbind_exited(g);
  }
}

long change_credentials(green& g, const syscall_frame& frame) noexcept {
  machine& m = the_machine();
  const bool watched = m.monitor.is_running();
  const credentials before = own_credentials();
  const long result = raw_syscall(static_cast<long>(frame.rax), frame.rdi, frame.rsi, frame.rdx);
  if (is_error(result) || g.bound) return result;
  const credentials now = own_credentials();
  if (before == now) return result; // another thread has seen to it
  // Those that only wait for work are made anew from this one when they are needed.
  dismiss_spares();
  if (watched) {
    m.monitor.stop();
    if (m.now == phase::active) m.monitor.start();
  }
  m.futex_ring.adopt(now);
  have_workers_adopt(*g.on, now);
  return result;
}

} // namespace weft::patch

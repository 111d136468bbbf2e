// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/worker_credentials.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>

#include "patch/kernel/credentials.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/processor.hpp"
#include "patch/kernel/worker_detail.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// What all were last told to adopt.
constinit credentials the_credentials;

} // namespace

void follow_credentials(worker& w) noexcept {
  // What is bound is never told to: its thread makes the calls itself.
  if (w.outdated || w.retired) adopt(the_credentials);
  w.outdated = false;
}

void adopt_by_order(worker& w) noexcept {
  adopt(the_credentials);
  give_order(w, worker_order::sleep);
}

namespace {

/// Has those adopt that run threads just now, or wait for events, and waits until they have, since
/// threads must not go on as who they were. Those in calls of the kernel's do so when they come
/// back.
void have_running_adopt(worker& done) noexcept {
  machine& m = the_machine();
  for (processor& p : m.processors) {
    worker* other = p.holder.load(std::memory_order_relaxed);
    if (!other || other == &done || other->bound) continue;
    other->outdated = other->attention = true;
    // What is in the kernel comes back through weft.
    if (other->state.load(std::memory_order_relaxed) != worker_state::in_native)
      send_errand(*other, errand::attend);
  }
  worker* poller = m.processors.poller;
  if (poller) {
    poller->outdated = true;
    m.reactor.interrupt();
  }
  const auto waits = [&] {
    bool any = poller && poller == m.processors.poller && poller->outdated;
    for (processor& p : m.processors) {
      const worker* other = p.holder.load(std::memory_order_relaxed);
      any = any || (other && other != &done && other->outdated &&
                    other->state.load(std::memory_order_relaxed) != worker_state::in_native);
    }
    return any;
  };
  while (waits()) {
    m.lock.release();
    let_holder_run();
    m.lock.acquire();
    if (done.attention) attend(done); // two such calls at a time
  }
}

/// Whether some that run nothing are not yet the process's, or gone.
bool is_any_on_its_way() noexcept {
  bool any = false;
  const spin_guard guard{the_workers.lock};
  the_workers.known.for_each([&](worker& w) {
    any = any || (w.retired && w.current == &w.idle) || (w.outdated && !w.started);
  });
  the_workers.ended.for_each(
      [&](worker& w) { any = any || __atomic_load_n(&w.alive, __ATOMIC_ACQUIRE) != 0; });
  return any;
}

/// (What it lost in a call of the kernel's it still remembers.)
bool holds_one(const worker& w) noexcept {
  return w.holds && w.holds->holder.load(std::memory_order_relaxed) == &w;
}

} // namespace

void have_workers_adopt(worker& done, const credentials& now) noexcept {
  worker& home = *the_machine().home;
  the_credentials = now;
  if (&home != &done && take_spare(home)) {
    give_order(home, worker_order::adopt);
    while (home.order.load(std::memory_order_acquire) == worker_order::adopt)
      raw_syscall(SYS_futex, &home.order, FUTEX_WAIT_PRIVATE, static_cast<int>(worker_order::adopt),
                  nullptr);
    return_spare(home);
  } else if (&home != &done) {
    home.outdated = home.attention = true;
  }
  {
    const spin_guard guard{the_workers.lock};
    the_workers.known.for_each([&](worker& each) {
      if (&each == &done || &each == &home || each.bound || holds_one(each) ||
          &each == the_machine().processors.poller)
        return;
      // What has just been made may be given a processor before it has slept, and must keep it.
      if (each.started)
        each.retired = true;
      else
        each.outdated = true;
    });
  }
  have_running_adopt(done);
  // Those that sleep, or are about to, come by themselves, and are to be seen until they have.
  while (dismiss_spares(), is_any_on_its_way()) {
    the_machine().lock.release();
    let_holder_run();
    the_machine().lock.acquire();
    if (done.attention) attend(done);
  }
}

} // namespace weft::patch

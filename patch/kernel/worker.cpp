// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/worker.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/kernel/cpu_time.hpp"
#include "patch/kernel/kernel_thread.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/processor.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/scheduler_detail.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/worker_credentials.hpp"
#include "patch/kernel/worker_detail.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

constinit worker_lists the_workers;

namespace {

constinit object_pool<worker> pool;

void start_worker(void* argument) noexcept {
  worker& w = *static_cast<worker*>(argument);
  w.tid = static_cast<pid_t>(raw_syscall(SYS_gettid));
  prepare_signal_stack(w);
  machine& m = the_machine();
  m.lock.acquire();
  follow_credentials(w);
  processor* p = w.made_to_help && !m.alone && !w.retired ? m.processors.find_idle() : nullptr;
  if (w.made_to_help) {
    m.monitor.note_helper();
    m.processors.help_is_coming = false;
    w.started = true;
  }
  if (p) {
    m.processors.occupy(*p, w);
    w.state.store(worker_state::running, std::memory_order_relaxed);
    apply_worker_mask(w);
  } else if (w.made_to_help) {
    came_for_nothing(w);
  }
  work(w);
}

worker* make(bool helps) noexcept;

} // namespace

bool furnish(worker& w) noexcept {
  if (w.stack_top) return true;
  const long at = core::sys::map(nullptr, idle_stack_size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  void* tls = make_bare_tls(w.idle);
  if (at < 0 || !tls) return false;
  core::sys::protect(reinterpret_cast<void*>(at), 4096, PROT_NONE);
  w.stack_top = reinterpret_cast<char*>(at) + idle_stack_size;
  w.idle.thread_pointer = tls;
  w.idle.in_kernel = true;
  w.idle.on = &w;
  w.idle.why = wakeup::parked;
  return true;
}

worker* take_any_spare() noexcept {
  const spin_guard guard{the_workers.lock};
  return the_workers.spares.empty() ? nullptr : &the_workers.spares.pop_front();
}

worker* find_worker() noexcept {
  worker* spare = take_any_spare();
  return spare ? spare : make_worker();
}

void return_spare(worker& w) noexcept {
  const spin_guard guard{the_workers.lock};
  the_workers.spares.push_front(w);
}

bool take_spare(worker& w) noexcept {
  const spin_guard guard{the_workers.lock};
  core::list_hook<spare_tag>& hook = w;
  if (!hook.linked()) return false;
  hook.unlink();
  return true;
}

worker* make_worker() noexcept {
  return make(false);
}

bool make_helper() noexcept {
  return make(true) != nullptr;
}

namespace {

worker* make(bool helps) noexcept {
  worker* w = nullptr;
  {
    const spin_guard guard{the_workers.lock};
    the_workers.ended.for_each([&](worker& old) {
      if (!w && __atomic_load_n(&old.alive, __ATOMIC_ACQUIRE) == 0) w = &old;
    });
    if (w)
      static_cast<core::list_hook<spare_tag>&>(*w).unlink();
    else
      w = pool.make();
  }
  if (!w) return nullptr;
  if (!furnish(*w)) {
    const spin_guard guard{the_workers.lock};
    pool.destroy(w);
    return nullptr;
  }
  w->state = worker_state::without;
  w->order = worker_order::sleep;
  w->bound = nullptr;
  w->retired = w->started = false;
  w->outdated = w->attention = w->preempt = false;
  w->kernel_blocks_all = false;
  w->signal_arrived = false;
  w->arriving = 0;
  w->holds = nullptr;
  w->cpu_time_counted = 0;
  w->helps = w->made_to_help = helps;
  w->current = &w->idle;
  w->has_signal_stack = false;
  {
    const spin_guard guard{the_workers.lock};
    the_workers.known.push_back(*w);
  }
  const long tid =
      start_kernel_thread(w->stack_top, w->idle.thread_pointer, start_worker, w, &w->alive);
  if (!is_error(tid)) {
    w->tid = static_cast<pid_t>(tid);
    return w;
  }
  const spin_guard guard{the_workers.lock};
  static_cast<core::list_hook<known_tag>&>(*w).unlink();
  the_workers.ended.push_back(*w);
  return nullptr;
}

} // namespace

void give_order(worker& w, worker_order what) noexcept {
  w.order.store(what, std::memory_order_release);
  raw_syscall(SYS_futex, &w.order, FUTEX_WAKE_PRIVATE, 1);
}

void give_processor(processor& p, worker& to) noexcept {
  ++p.stats.wakes;
  to.holds = &p;
  p.holder.store(&to, std::memory_order_release);
  give_order(to, worker_order::run);
}

void wait_for_processor(worker& w) noexcept {
  machine& m = the_machine();
  set_kernel_mask(every_signal);
  w.kernel_blocks_all = true;
  route_arrived_signal(w);
  if (w.retired) {
    m.lock.release();
    exit_worker(w);
  }
  follow_credentials(w);
  {
    const spin_guard guard{the_workers.lock};
    // One that was given a processor before it slept for the first time is no spare. (Whose own it
    // is to be is not said yet when it begins.)
    if (w.started && !w.bound && w.order.load(std::memory_order_relaxed) == worker_order::sleep)
      the_workers.spares.push_front(w);
    w.started = true;
  }
  m.lock.release();
  for (;;) {
    const worker_order order = w.order.load(std::memory_order_acquire);
    if (order == worker_order::run) break;
    if (order == worker_order::exit) end_kernel_thread(); // whoever said so sees to the rest
    if (order == worker_order::adopt) {
      adopt_by_order(w);
      continue;
    }
    raw_syscall(SYS_futex, &w.order, FUTEX_WAIT_PRIVATE, 0, nullptr);
  }
  m.lock.acquire();
  w.order.store(worker_order::sleep, std::memory_order_relaxed);
  w.state.store(worker_state::running, std::memory_order_relaxed);
  follow_credentials(w);
  w.kernel_blocks_all = false;
  apply_worker_mask(w);
}

void exit_worker(worker& w) noexcept {
  set_kernel_mask(every_signal);
  {
    const spin_guard guard{the_workers.lock};
    static_cast<core::list_hook<known_tag>&>(w).unlink();
    the_workers.ended.push_back(w);
  }
  end_kernel_thread();
}

void dismiss_spares() noexcept {
  for (;;) {
    worker* w = nullptr;
    {
      const spin_guard guard{the_workers.lock};
      the_workers.spares.for_each([&](worker& each) {
        if (!w && &each != the_machine().home) w = &each;
      });
      if (!w) return;
      static_cast<core::list_hook<spare_tag>&>(*w).unlink();
    }
    give_order(*w, worker_order::exit);
    // It may not have slept yet.
    the_machine().lock.release();
    wait_for_end(&w->alive);
    {
      // Not before: the monitor would make another of it, for whose end we would wait.
      const spin_guard guard{the_workers.lock};
      static_cast<core::list_hook<known_tag>&>(*w).unlink();
      the_workers.ended.push_back(*w);
    }
    the_machine().lock.acquire();
  }
}

bool is_asleep(worker& w) noexcept {
  const spin_guard guard{the_workers.lock};
  return static_cast<core::list_hook<spare_tag>&>(w).linked();
}

namespace {

/// Threads that were to show themselves and have come to weft before they heard of it.
void show_those_asked() noexcept {
  machine& m = the_machine();
  m.all.for_each([&](green& g) {
    const bool runs_elsewhere = &g != self() && g.on && g.on->current == &g;
    if (g.shows_itself && !runs_elsewhere) m.show(g, nullptr);
  });
}

} // namespace

void attend(worker& w) noexcept {
  w.attention = false;
  if (w.outdated) follow_credentials(w);
  if (the_machine().signals.worker_mask() != w.kernel_mask) apply_worker_mask(w);
  show_pending_to_descriptors();
  if (the_machine().show) show_those_asked();
}

void keep_workers_still(bool still) noexcept {
  if (still)
    the_workers.lock.lock();
  else
    the_workers.lock.unlock();
}

core::nanoseconds count_cpu_time_from_now(worker& current) noexcept {
  core::nanoseconds all = 0;
  const auto begin = [&](worker& w) {
    w.cpu_time_counted = &w == &current ? kernel_thread_time() : kernel_thread_time(w.tid);
    all += w.cpu_time_counted;
  };
  const spin_guard guard{the_workers.lock};
  worker& first = the_machine().first; // in a fork's child perhaps one of those that it made
  if (!static_cast<core::list_hook<known_tag>&>(first).linked()) begin(first);
  the_workers.known.for_each(begin);
  return all;
}

bool is_on_its_way(int signal, const worker& w) noexcept {
  bool found = false;
  const auto look = [&](const worker& other) {
    if (&other == &w) return;
    found = found || other.arriving.load(std::memory_order_relaxed) == signal ||
            (other.signal_arrived && other.arrived.si_signo == signal);
  };
  const spin_guard guard{the_workers.lock};
  look(*the_machine().initial);
  the_workers.known.for_each(look);
  return found;
}

void forget_workers_but(worker& w) noexcept {
  the_workers.lock.reset();
  // Their kernel threads are the parent's; their stacks may be used again.
  while (!the_workers.spares.empty()) {
    worker& other = the_workers.spares.pop_front();
    if (&other == &w) continue;
    other.alive = 0;
    if (other.stack_top) the_workers.ended.push_back(other);
  }
  the_workers.ended.for_each([](worker& other) { other.alive = 0; });
  the_workers.known.reset();
  if (&w != &the_machine().first) the_workers.known.push_back(w);
  w.tid = static_cast<pid_t>(raw_syscall(SYS_gettid));
  w.alive = 0;
  w.bound = nullptr;
  w.retired = false;
  w.arriving = 0;
}

} // namespace weft::patch

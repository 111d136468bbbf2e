// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/worker.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/kernel/cpu_time.hpp"
#include "patch/kernel/credentials.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/processor.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/scheduler_detail.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/raw_syscall.hpp"

extern "C" long weft_clone_thread(unsigned long flags, void* stack_top, std::uint32_t* child_tid,
                                  void* thread_pointer, void (*entry)(void*), void* argument);

namespace weft::patch {
namespace {

/// Guards what the monitor and the workers, with or without the processor, share: held for a few
/// instructions, with signals blocked or inside weft.
constinit spin_lock lock;
constinit core::list<worker, spare_tag> spares;
/// All but the first.
constinit core::list<worker, known_tag> known;
/// What all were last told to adopt.
constinit credentials the_credentials;
constinit object_pool<worker> pool;
/// Records of workers that have ended, with their stacks: kernel threads come and go together.
constinit core::list<worker, spare_tag> ended;

void futex_wake(std::atomic<worker_order>& word) noexcept {
  raw_syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1);
}

void start_worker(void* argument) noexcept {
  worker& w = *static_cast<worker*>(argument);
  w.tid = static_cast<pid_t>(raw_syscall(SYS_gettid));
  prepare_signal_stack(w);
  machine& m = the_machine();
  m.lock.acquire();
  follow_credentials(w);
  processor* p = w.helps && !m.alone && !w.retired ? m.processors.find_idle() : nullptr;
  if (w.helps) {
    m.processors.help_is_coming = false;
    w.started = true;
  }
  if (p) {
    m.processors.occupy(*p, w);
    w.state.store(worker_state::running, std::memory_order_relaxed);
    apply_worker_mask(w);
  } else if (w.helps) {
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
  const spin_guard guard{lock};
  return spares.empty() ? nullptr : &spares.pop_front();
}

worker* find_worker() noexcept {
  worker* spare = take_any_spare();
  return spare ? spare : make_worker();
}

void return_spare(worker& w) noexcept {
  const spin_guard guard{lock};
  spares.push_front(w);
}

bool take_spare(worker& w) noexcept {
  const spin_guard guard{lock};
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
    const spin_guard guard{lock};
    ended.for_each([&](worker& old) {
      if (!w && __atomic_load_n(&old.alive, __ATOMIC_ACQUIRE) == 0) w = &old;
    });
    if (w)
      static_cast<core::list_hook<spare_tag>&>(*w).unlink();
    else
      w = pool.make();
  }
  if (!w) return nullptr;
  if (!furnish(*w)) {
    const spin_guard guard{lock};
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
  w->helps = helps;
  w->current = &w->idle;
  w->has_signal_stack = false;
  {
    const spin_guard guard{lock};
    known.push_back(*w);
  }
  const long tid =
      start_kernel_thread(w->stack_top, w->idle.thread_pointer, start_worker, w, &w->alive);
  if (!is_error(tid)) {
    w->tid = static_cast<pid_t>(tid);
    return w;
  }
  const spin_guard guard{lock};
  static_cast<core::list_hook<known_tag>&>(*w).unlink();
  ended.push_back(*w);
  return nullptr;
}

} // namespace

void give_processor(processor& p, worker& to) noexcept {
  ++p.stats.wakes;
  to.holds = &p;
  p.holder.store(&to, std::memory_order_release);
  to.order.store(worker_order::run, std::memory_order_release);
  futex_wake(to.order);
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
    const spin_guard guard{lock};
    // One that was given a processor before it slept for the first time is no spare.
    if (w.order.load(std::memory_order_relaxed) == worker_order::sleep && !w.bound && w.started)
      spares.push_front(w);
    w.started = true;
  }
  m.lock.release();
  for (;;) {
    const worker_order order = w.order.load(std::memory_order_acquire);
    if (order == worker_order::run) break;
    if (order == worker_order::exit) end_kernel_thread(); // whoever said so sees to the rest
    if (order == worker_order::adopt) {
      adopt(the_credentials);
      w.order.store(worker_order::sleep, std::memory_order_release);
      futex_wake(w.order);
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
    const spin_guard guard{lock};
    static_cast<core::list_hook<known_tag>&>(w).unlink();
    ended.push_back(w);
  }
  end_kernel_thread();
}

void dismiss_spares() noexcept {
  for (;;) {
    worker* w = nullptr;
    {
      const spin_guard guard{lock};
      spares.for_each([&](worker& each) {
        if (!w && &each != the_machine().home) w = &each;
      });
      if (!w) return;
      static_cast<core::list_hook<spare_tag>&>(*w).unlink();
    }
    w->order.store(worker_order::exit, std::memory_order_release);
    futex_wake(w->order);
    // It may not have slept yet.
    the_machine().lock.release();
    wait_for_end(&w->alive);
    {
      // Not before: the monitor would make another of it, for whose end we would wait.
      const spin_guard guard{lock};
      static_cast<core::list_hook<known_tag>&>(*w).unlink();
      ended.push_back(*w);
    }
    the_machine().lock.acquire();
  }
}

bool is_asleep(worker& w) noexcept {
  const spin_guard guard{lock};
  return static_cast<core::list_hook<spare_tag>&>(w).linked();
}

void follow_credentials(worker& w) noexcept {
  // What is bound is never told to: its thread makes the calls itself.
  if (w.outdated || w.retired) adopt(the_credentials);
  w.outdated = false;
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

} // namespace

namespace {

/// Whether some that run nothing are not yet the process's, or gone.
bool is_any_on_its_way() noexcept {
  bool any = false;
  const spin_guard guard{lock};
  known.for_each([&](worker& w) {
    any = any || (w.retired && w.current == &w.idle) || (w.outdated && !w.started);
  });
  ended.for_each([&](worker& w) { any = any || __atomic_load_n(&w.alive, __ATOMIC_ACQUIRE) != 0; });
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
    home.order.store(worker_order::adopt, std::memory_order_release);
    futex_wake(home.order);
    while (home.order.load(std::memory_order_acquire) == worker_order::adopt)
      raw_syscall(SYS_futex, &home.order, FUTEX_WAIT_PRIVATE, static_cast<int>(worker_order::adopt),
                  nullptr);
    return_spare(home);
  } else if (&home != &done) {
    home.outdated = home.attention = true;
  }
  {
    const spin_guard guard{lock};
    known.for_each([&](worker& each) {
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

void keep_workers_still(bool still) noexcept {
  if (still)
    lock.lock();
  else
    lock.unlock();
}

core::nanoseconds count_cpu_time_from_now(worker& current) noexcept {
  core::nanoseconds all = 0;
  const auto begin = [&](worker& w) {
    w.cpu_time_counted = &w == &current ? kernel_thread_time() : kernel_thread_time(w.tid);
    all += w.cpu_time_counted;
  };
  const spin_guard guard{lock};
  worker& first = the_machine().first; // in a fork's child perhaps one of those that it made
  if (!static_cast<core::list_hook<known_tag>&>(first).linked()) begin(first);
  known.for_each(begin);
  return all;
}

bool is_on_its_way(int signal, const worker& w) noexcept {
  bool found = false;
  const auto look = [&](const worker& other) {
    if (&other == &w) return;
    found = found || other.arriving.load(std::memory_order_relaxed) == signal ||
            (other.signal_arrived && other.arrived.si_signo == signal);
  };
  const spin_guard guard{lock};
  look(*the_machine().initial);
  known.for_each(look);
  return found;
}

void forget_workers_but(worker& w) noexcept {
  lock.reset();
  // Their kernel threads are the parent's; their stacks may be used again.
  while (!spares.empty()) {
    worker& other = spares.pop_front();
    if (&other == &w) continue;
    other.alive = 0;
    if (other.stack_top) ended.push_back(other);
  }
  ended.for_each([](worker& other) { other.alive = 0; });
  known.reset();
  if (&w != &the_machine().first) known.push_back(w);
  w.tid = static_cast<pid_t>(raw_syscall(SYS_gettid));
  w.alive = 0;
  w.bound = nullptr;
  w.retired = false;
  w.arriving = 0;
}

bool furnish_helper(std::size_t stack_size, void*& stack_top, void*& thread_pointer) noexcept {
  if (stack_top) return true;
  green* nobody = the_machine().greens.make();
  const long at = core::sys::map(nullptr, stack_size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  thread_pointer = nobody ? make_bare_tls(*nobody) : nullptr;
  if (is_error(at) || !thread_pointer) return false;
  stack_top = reinterpret_cast<char*>(at) + stack_size;
  return true;
}

long start_kernel_thread(void* stack_top, void* thread_pointer, void (*entry)(void*),
                         void* argument, std::uint32_t* alive) noexcept {
  constexpr unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                  CLONE_SYSVSEM | CLONE_SETTLS | CLONE_CHILD_CLEARTID;
  *alive = 1;
  std::uint64_t before;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every_signal, &before, 8);
  const long tid = weft_clone_thread(flags, stack_top, alive, thread_pointer, entry, argument);
  set_kernel_mask(before);
  if (is_error(tid)) *alive = 0;
  return tid;
}

void end_kernel_thread() noexcept {
  for (;;)
    raw_syscall(SYS_exit, 0);
}

void wait_for_end(std::uint32_t* alive) noexcept {
  // The kernel's wake-up at a thread's end is for shared futexes.
  while (__atomic_load_n(alive, __ATOMIC_ACQUIRE) != 0)
    raw_syscall(SYS_futex, alive, FUTEX_WAIT, 1, nullptr);
}

} // namespace weft::patch

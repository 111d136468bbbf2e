// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/thread.hpp"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "patch/kernel/bound_thread.hpp"
#include "patch/kernel/configuration.hpp"
#include "patch/kernel/cpu_timers.hpp"
#include "patch/kernel/fibers.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/native.hpp"
#include "patch/kernel/print.hpp"
#include "patch/kernel/process.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/thread_pointer.hpp"
#include "patch/kernel/usable_processors.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/kernel/worker.hpp"

namespace weft::patch {
namespace {

/// The kernel's own tids end at 4,194,304 (PID_MAX_LIMIT); the number of a thread's clock, which is
/// negative, has room for 28 bits.
constexpr pid_t first_synthetic_tid = 4194305;
constexpr pid_t last_synthetic_tid = (1 << 28) - 1;
static_assert(last_synthetic_tid < FUTEX_TID_MASK);

/// Monotonic, since quick reuse breaks joins; begun at random, since two patched processes
/// must not both own one process-shared mutex under the same number.
pid_t next_tid = first_synthetic_tid;
/// Until then none is in use, which a million threads need not be asked.
bool tids_begin_again = false;

constexpr unsigned tid_buckets = 4096;
core::list<green, tid_tag>* by_tid() noexcept {
  static core::list<green, tid_tag>* buckets = nullptr;
  if (!buckets) {
    const long at = core::sys::map(nullptr, sizeof(*buckets) * tid_buckets, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS);
    if (at < 0) core::sys::fatal("weft: no memory for the table of threads\n");
    buckets = reinterpret_cast<core::list<green, tid_tag>*>(at);
    for (unsigned i = 0; i < tid_buckets; ++i)
      ::new (&buckets[i]) core::list<green, tid_tag>;
  }
  return buckets;
}
core::list<green, tid_tag>& bucket_of(pid_t tid) noexcept {
  return by_tid()[static_cast<unsigned>(tid) % tid_buckets];
}

pid_t new_tid() noexcept {
  do {
    if (next_tid >= last_synthetic_tid) tids_begin_again = true;
    next_tid = next_tid >= last_synthetic_tid ? first_synthetic_tid : next_tid + 1;
  } while (tids_begin_again && find_thread(next_tid));
  return next_tid;
}

} // namespace

void seed_tids(std::uint64_t random) noexcept {
  next_tid =
      first_synthetic_tid + static_cast<pid_t>(random % (last_synthetic_tid - first_synthetic_tid));
}

void enroll(green& g) noexcept {
  machine& m = the_machine();
  m.all.push_back(g);
  bucket_of(g.tid).push_back(g);
  ++m.count;
  ++m.stats.threads_made;
  if (m.count > m.stats.threads_peak) m.stats.threads_peak = m.count;
  m.signals.add(g);
}

void strike_off(green& g) noexcept {
  machine& m = the_machine();
  static_cast<core::list_hook<all_tag>&>(g).unlink();
  static_cast<core::list_hook<tid_tag>&>(g).unlink();
  --m.count;
  m.signals.remove(g);
}

green* find_thread(pid_t tid) noexcept {
  green* found = nullptr;
  bucket_of(tid).for_each([&](green& g) {
    if (g.tid == tid) found = &g;
  });
  return found;
}

namespace {

void use_transfer_ring(machine& m) noexcept {
  if (const long failed = m.transfers.begin())
    line_printer{} << "weft: WEFT_BACKEND=io_uring cannot be used here ("
                   << strerrordesc_np(static_cast<int>(-failed)) << "); using epoll";
}

/// At the first thread's start, since it takes some system calls.
void choose_workers(machine& m) noexcept {
  if (m.workers_are_chosen) return;
  if (the_configuration().io_uring) use_transfer_ring(m);
  m.workers_are_chosen = true;
  const unsigned wanted = the_configuration().workers;
  m.processors.set_count(wanted ? wanted : usable_processors());
  if (!m.processors.several()) return m.futexes.answer_at_once();
  m.lock.use(the_configuration().statistics != report_form::none);
  m.lock.acquire(); // the caller is inside weft
  guard_signals(m.all.front().blocked);
}

} // namespace

void become_active() noexcept {
  machine& m = the_machine();
  m.may_be_single = false;
  if (m.now == phase::active) return;
  choose_workers(m);
  take_pending_from_kernel(m.all.front());
  m.now = phase::active;
  if (m.processors.several()) guard_signals(m.all.front().blocked);
  if (m.phase_changed) m.phase_changed(phase::active);
}

void become_single(green& g) noexcept {
  machine& m = the_machine();
  // A thread that is left alone but has a tid of ours goes on needing us.
  if (!m.may_be_single || g.tid != m.main_tid) return;
  m.may_be_single = false;
  // A dump interrupts calls of the kernel's, some of which would wait again from the beginning.
  // The kernel does not know how much time the thread had used until it was left alone.
  if (m.dump || any_cpu_timers()) return m.monitor.start();
  unbind_last(g);
  // Whoever stands in gives the processor back as soon as the initial kernel thread is free.
  m.alone = m.home_is_wanted = true;
  // (The home may be the one that waits for events, and has to be told as well.)
  while (!are_others_asleep() || g.on != m.home) {
    yield(g);
    if (are_others_asleep() && g.on == m.home) break;
    m.lock.release();
    let_holder_run();
    m.lock.acquire();
  }
  dismiss_spares();
  m.alone = m.home_is_wanted = false;
  m.futex_ring.stop();
  m.now = phase::single;
  // First: what g blocks is to stay pending there.
  if (m.signals.worker_mask() != g.on->kernel_mask) apply_worker_mask(*g.on);
  hand_pending_to_kernel(g);
  unguard_signals();
  if (m.phase_changed) m.phase_changed(phase::single);
}

void* make_bare_tls(green& g) noexcept {
  constexpr std::size_t tcb_size = 256; // more than the header that compiled code looks at
  const auto below = static_cast<std::size_t>(-self_offset() + 4095) & ~std::size_t{4095};
  const long at = core::sys::map(nullptr, below + tcb_size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS);
  if (at < 0) return nullptr;
  char* tp = reinterpret_cast<char*>(at) + below;
  auto* tcb = reinterpret_cast<void**>(tp);
  auto* ours = static_cast<void**>(weft::patch::thread_pointer());
  tcb[0] = tcb[2] = tp; // tcb, self
  tcb[5] = ours[5];     // stack protector's canary
  tcb[6] = ours[6];     // pointer guard
  *reinterpret_cast<entry_state**>(tp + self_offset()) = &g;
  return tp;
}

long create_thread(green& creator, const syscall_frame& frame, const clone_args& args) noexcept {
  machine& m = the_machine();
  if (!prepare_worker(*creator.on)) return -EAGAIN;
  green* g = m.greens.make();
  if (!g) return -EAGAIN;
  if (creator.bound && !bind_new(*g)) {
    m.greens.destroy(g);
    return -EAGAIN;
  }
  g->in_kernel = true; // until it begins: it is self() an instant before its stack is
  g->tid = new_tid();
  g->on = creator.on;
  g->blocked = creator.blocked;
  if (creator.tid == m.main_tid)
    raw_syscall(SYS_prctl, PR_GET_NAME, g->name);
  else
    __builtin_memcpy(g->name, creator.name, sizeof g->name);
  g->thread_pointer =
      args.flags & CLONE_SETTLS ? reinterpret_cast<void*>(args.tls) : creator.thread_pointer;
  if (args.flags & CLONE_CHILD_CLEARTID)
    g->clear_child_tid = reinterpret_cast<std::uint32_t*>(args.child_tid);
  // As in the kernel an address that is wrong is nobody's failure.
  if (args.flags & CLONE_PARENT_SETTID)
    (void)put_user(reinterpret_cast<pid_t*>(args.parent_tid), g->tid);
  if (args.flags & CLONE_CHILD_SETTID)
    (void)put_user(reinterpret_cast<pid_t*>(args.child_tid), g->tid);
  *reinterpret_cast<entry_state**>(static_cast<char*>(g->thread_pointer) + self_offset()) = g;

  // Its registers lie on its own stack, below the top, until it has loaded them; what the
  // scheduler needs to get there lies further below.
  const std::uint64_t top = args.stack + args.stack_size;
  g->first_frame =
      reinterpret_cast<syscall_frame*>((top - 128 - sizeof(syscall_frame)) & ~std::uint64_t{15});
  *g->first_frame = frame;
  g->first_frame->rax = 0;
  g->first_frame->user_rsp = top;

  enroll(*g);
  become_active();
  if (take_as_fiber(creator, *g, args))
    prepare_fiber(*g);
  else
    launch(*g);
  return g->tid;
}

void begin_thread(green& g) noexcept {
  g.started = true;
  for (;;) {
    deliver_before_first_instruction(g);
    leave_weft(g);
    if (!signal_is_deliverable(g)) break;
    enter_weft(g);
  }
  weft_resume_frame(g.first_frame);
}

void exit_thread(green& g, int status) noexcept {
  machine& m = the_machine();
  if (m.count == 1) {
    // The last one ends the process, as in the kernel.
    end_process(status);
  }
  walk_robust_list(g);
  forget_waiter(g); // cancelled there
  g.in_kernel = true;
  if (g.fiber) leave_fiber(g);
  leave(g);
}

void finish_exit(green& g) noexcept {
  machine& m = the_machine();
  std::uint32_t* word = g.clear_child_tid;
  strike_off(g);
  g.pending.clear();
  if (g.fiber) --m.fibers;
  if (g.bound) unbind_exited(g);
  const bool was_main = g.tid == m.main_tid;
  m.may_be_single = m.count == 1;
  if (!was_main) m.greens.destroy(&g);
  // From here on the joiner may free the thread's stack and TLS.
  if (word && put_user(word, 0u)) (void)m.futexes.wake_everywhere(word, 1, ~0u, false);
}

void keep_only(green& g) noexcept {
  machine& m = the_machine();
  m.all.for_each([&](green& other) {
    if (&other == &g) return;
    strike_off(other);
    other.pending.clear();
    m.greens.destroy(&other);
  });
  static_cast<core::list_hook<tid_tag>&>(g).unlink();
  g.tid = m.main_tid = static_cast<pid_t>(raw_syscall(SYS_gettid));
  g.bound = nullptr;
  bucket_of(g.tid).push_back(g);
  keep_only_fiber(g);
  g.pending.clear(); // pending signals are not inherited
  m.signals.pending.clear();
  m.may_be_single = true;
}

} // namespace weft::patch

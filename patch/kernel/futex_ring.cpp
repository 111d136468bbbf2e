// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/futex_ring.hpp"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/kernel/credentials.hpp"
#include "patch/kernel/errors.hpp"
#include "patch/kernel/kernel_thread.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/worker.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

// Linux 6.7; Debian 12's headers do not have them yet.
constexpr std::uint8_t op_futex_wait = 51;
constexpr std::uint8_t op_futex_waitv = 53;

constexpr unsigned entry_count = 64;
constexpr std::size_t stack_size = 32 * 1024;

ring_request futex_wait(const void* word, std::uint32_t expected, std::uint32_t bitset,
                        bool is_private) noexcept {
  ring_request r;
  r.operation = op_futex_wait;
  r.flags = FUTEX_32 | (is_private ? FUTEX_PRIVATE_FLAG : 0u);
  r.what = word;
  r.expected = expected;
  r.bitset = bitset;
  return r;
}

/// Whether there was none. From here on r is the other side's.
bool put(std::atomic<ring_request*>& stack, ring_request& r) noexcept {
  ring_request* last = stack.load(std::memory_order_relaxed);
  do {
    r.next = last;
  } while (!stack.compare_exchange_weak(last, &r));
  return !last;
}

/// All of them, in the order in which they were put.
ring_request* take_all(std::atomic<ring_request*>& stack) noexcept {
  ring_request* in_order = nullptr;
  for (ring_request* r = stack.exchange(nullptr); r;) {
    ring_request* next = r->next;
    r->next = in_order;
    in_order = r;
    r = next;
  }
  return in_order;
}

bool knows_futexes(io_ring& ring) noexcept {
  constexpr unsigned count = op_futex_waitv + 1;
  alignas(io_uring_probe) char room[sizeof(io_uring_probe) + count * sizeof(io_uring_probe_op)]{};
  const auto& probe = reinterpret_cast<const io_uring_probe&>(room);
  return ring.configure(IORING_REGISTER_PROBE, room, count) == 0 &&
         probe.last_op >= op_futex_waitv &&
         (probe.ops[op_futex_wait].flags & IO_URING_OP_SUPPORTED);
}

/// Whatever else a ring can do would be done with the credentials of the thread.
bool restrict_to_futexes(io_ring& ring) noexcept {
  io_uring_restriction allowed[4]{};
  const std::uint8_t operations[3] = {op_futex_wait, op_futex_waitv, IORING_OP_ASYNC_CANCEL};
  for (int i = 0; i < 3; ++i) {
    allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
    allowed[i].sqe_op = operations[i];
  }
  allowed[3].opcode = IORING_RESTRICTION_REGISTER_OP;
  allowed[3].register_op = IORING_REGISTER_ENABLE_RINGS;
  return ring.configure(IORING_REGISTER_RESTRICTIONS, allowed, 4) == 0;
}

} // namespace

bool futex_ring::open() noexcept {
  if (ring_.is_open()) return true;
  if (refused_) return false;
  // Whoever enables a ring with one issuer is that.
  constexpr unsigned flags =
      IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  long failed = ring_.open(entry_count, flags);
  if (!failed) {
    failed = start();
    if (failed) ring_.close();
  }
  refused_ = failed && !io_ring::may_work_later(failed);
  return !failed;
}

long futex_ring::start() noexcept {
  if (!knows_futexes(ring_) || !restrict_to_futexes(ring_)) return -ENOSYS;
  if (!furnish_helper(stack_size, stack_top_, thread_pointer_)) return -ENOMEM;
  ends_ = lost_ = listens_ = false;
  const long tid = start_kernel_thread(stack_top_, thread_pointer_, run, this, &alive_);
  return is_error(tid) ? tid : 0;
}

long futex_ring::wait(green& g, std::uint32_t* word, std::uint32_t expected, std::uint32_t bitset,
                      bool is_private, core::nanoseconds deadline) noexcept {
  const long after_signal = deadline == core::never ? restart_if_allowed : restart_unless_handled;
  return make(g, futex_wait(word, expected, bitset, is_private), deadline, after_signal);
}

long futex_ring::wait_any(green& g, const futex_waitv* words, unsigned count,
                          core::nanoseconds deadline) noexcept {
  ring_request r;
  r.operation = op_futex_waitv;
  r.what = words;
  r.words = count;
  return make(g, r, deadline, restart_if_allowed);
}

long futex_ring::make(green& g, const ring_request& wanted, core::nanoseconds deadline,
                      long after_signal) noexcept {
  ring_wait w;
  w.thread = &g;
  w.begin = wanted;
  waiting_.push_back(w);
  prepare_park(g);
  ask(w, w.begin);
  const wakeup why = park(g, deadline, park_reason::futex, true);
  if (w.under_way) {
    // It is over only when the ring says so: a waker may have counted it already.
    w.end.operation = IORING_OP_ASYNC_CANCEL;
    w.end.what = &w.begin;
    ask(w, w.end);
    do {
      prepare_park(g);
      park(g, core::never, park_reason::futex, false);
    } while (w.under_way);
  }
  switch (const long result = w.begin.result) {
  case -ECANCELED:
    return why == wakeup::timeout ? -ETIMEDOUT : after_signal;
  case -EAGAIN:
  case -EFAULT:
    return result;
  default:
    return result >= 0 ? result : wait_in_kernel; // no memory for one more request
  }
}

void futex_ring::ask(ring_wait& w, ring_request& r) noexcept {
  r.of = &w;
  ++w.under_way;
  if (put(asked_, r)) call(); // else who asked before has called
}

/// Has the thread look what there is to do.
void futex_ring::call() noexcept {
  ++called_;
  raw_syscall(SYS_futex, &called_, FUTEX_WAKE_PRIVATE, 1);
}

void futex_ring::wake_finished() noexcept {
  if (lost_) give_up();
  for (ring_request* r = take_all(done_); r;) {
    ring_wait& w = *r->of;
    r = r->next; // lies on the stack of who is woken
    if (--w.under_way > 0) continue;
    w.unlink();
    unpark(*w.thread, wakeup::event);
  }
}

void futex_ring::refuse() noexcept {
  if (ring_.is_open()) {
    ends_ = true;
    call();
    give_up();
  }
  refused_ = true;
}

/// When the thread has ended, and what it had asked for with it: for those who wait it is as if
/// they had been woken.
void futex_ring::give_up() noexcept {
  wait_for_end(&alive_);
  lost_ = false;
  refused_ = true;
  ring_.close();
  asked_ = done_ = nullptr;
  while (!waiting_.empty()) {
    ring_wait& w = waiting_.pop_front();
    w.begin.result = w.under_way = 0;
    unpark(*w.thread, wakeup::event);
  }
}

void futex_ring::adopt(const credentials& now) noexcept {
  if (!ring_.is_open()) return;
  to_adopt_ = &now;
  call();
  while (to_adopt_ && !lost_)
    let_holder_run();
  to_adopt_ = nullptr;
}

void futex_ring::stop() noexcept {
  if (!ring_.is_open()) return;
  ends_ = true;
  call();
  wait_for_end(&alive_);
  harvest();
  ring_.close();
}

void futex_ring::reset_after_fork() noexcept {
  ring_.close();
  waiting_.reset();
  asked_ = done_ = nullptr;
  to_adopt_ = nullptr;
  lost_ = false;
  alive_ = 0;
}

// From here on the thread's own part.

void futex_ring::run(void* self) noexcept {
  static_cast<futex_ring*>(self)->serve();
  end_kernel_thread();
}

void futex_ring::serve() noexcept {
  machine& m = the_machine();
  bool works = ring_.configure(IORING_REGISTER_ENABLE_RINGS, nullptr, 0) == 0;
  for (;;) {
    // In this order: who asks after the second line calls, and the first one's value differs.
    works = works && (listens_ || listen());
    works = works && submit_asked();
    if (const credentials* now = to_adopt_) {
      patch::adopt(*now);
      to_adopt_ = nullptr;
    }
    if (ends_) return;
    if (works) {
      const long n = ring_.enter(1);
      works = !is_error(n) || n == -EINTR || n == -EAGAIN || n == -EBUSY;
    }
    if (!works) lost_ = true;
    if (!collect() && works) continue;
    m.reactor.interrupt();
    m.monitor.look();
    if (!works) return;
  }
}

/// Asks the ring to tell of a call.
bool futex_ring::listen() noexcept {
  listening_ = futex_wait(&called_, called_.load(), ~0u, true);
  listens_ = push(listening_);
  return listens_;
}

bool futex_ring::submit_asked() noexcept {
  bool works = true;
  for (ring_request* r = take_all(asked_); r && works;) {
    ring_request* next = r->next;
    works = push(*r);
    r = next;
  }
  return works;
}

bool futex_ring::push(const ring_request& r) noexcept {
  io_uring_sqe entry{};
  entry.opcode = r.operation;
  entry.user_data = reinterpret_cast<std::uint64_t>(&r);
  entry.fd = static_cast<int>(r.flags);
  entry.addr = reinterpret_cast<std::uint64_t>(r.what);
  entry.len = r.words;
  entry.addr2 = r.expected;
  entry.addr3 = r.bitset;
  while (!ring_.push(entry)) {
    const long n = ring_.enter(0);
    if (is_error(n) && n != -EINTR && n != -EAGAIN && n != -EBUSY) return false;
  }
  return true;
}

/// Hands on what is complete; whether anything is.
bool futex_ring::collect() noexcept {
  bool found = false;
  for (io_uring_cqe c; ring_.pop(c);) {
    auto& r = *reinterpret_cast<ring_request*>(c.user_data);
    if (&r == &listening_) {
      listens_ = false;
      continue;
    }
    r.result = c.res;
    put(done_, r);
    found = true;
  }
  return found;
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/transfer_ring.hpp"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

using core::socket_call;
using core::transfer_queue;

constexpr int tries_when_short = 3; // of memory, or of room in the kernel

/// SIGPIPE is its owner's to get, who makes it once more for that.
int flags_of(const socket_call& t) noexcept {
  return t.flags | MSG_DONTWAIT | MSG_NOSIGNAL;
}

long make_by_itself(const socket_call& t) noexcept {
  const long call = t.what == socket_call::kind::send ? SYS_sendto : SYS_recvfrom;
  return raw_syscall(call, t.fd, t.data, t.size, flags_of(t), nullptr, 0);
}

io_uring_sqe describe(const socket_call& t, unsigned index) noexcept {
  io_uring_sqe entry{};
  entry.opcode = t.what == socket_call::kind::send ? IORING_OP_SEND : IORING_OP_RECV;
  entry.fd = t.fd;
  entry.addr = reinterpret_cast<std::uint64_t>(t.data);
  entry.len = static_cast<std::uint32_t>(t.size);
  entry.msg_flags = static_cast<std::uint32_t>(flags_of(t));
  entry.user_data = index;
  return entry;
}

} // namespace

bool transfer_ring::open() noexcept {
  if (ring_.is_open()) return true;
  if (refused_) return false;
  const long failed = ring_.open(transfer_queue::capacity, 0);
  if (failed && !io_ring::may_work_later(failed)) refuse();
  return !failed;
}

long transfer_ring::begin() noexcept {
  if (const long failed = ring_.open(transfer_queue::capacity, 0)) return failed;
  if (!ring_.knows(IORING_OP_SEND) || !ring_.knows(IORING_OP_RECV)) {
    ring_.close();
    return -EOPNOTSUPP;
  }
  used_ = true;
  return 0;
}

void transfer_ring::refuse() noexcept {
  refused_ = true;
  used_ = false;
  if (!under_way_) ring_.close();
}

void transfer_ring::reset_after_fork() noexcept {
  queue_.reset();
  under_way_ = false;
  ring_.close(); // this process's descriptor and mappings of it: nothing that the parent has is
                 // touched
}

/// Gives the kernel what was pushed. How many it took: all, unless it does not let the ring be used
/// any more.
unsigned transfer_ring::submit(unsigned count) noexcept {
  unsigned taken = 0;
  int tries_left = tries_when_short;
  while (taken < count) {
    // Older kernels stop at an entry whose descriptor is none, and take the rest when asked again.
    const long n = ring_.enter(0);
    if (n > 0) {
      taken += static_cast<unsigned>(n);
      continue;
    }
    if (n == -EINTR) continue;
    const bool short_of_room = n == 0 || n == -EAGAIN || n == -ENOMEM || n == -EBUSY;
    if (!short_of_room || --tries_left == 0) break;
  }
  return taken;
}

/// Has the ring, which is open, make them. How many were made.
unsigned transfer_ring::make_together(const batch& calls, unsigned count, results& made) noexcept {
  for (unsigned i = 0; i < count; ++i)
    ring_.push(describe(*calls[i], i));
  const unsigned taken = submit(count);
  for (unsigned i = 0; i < taken; ++i)
    made[i] = -EIO; // taken, if nobody can say how it went
  io_uring_cqe c;
  for (unsigned left = taken; left > 0;) {
    if (ring_.pop(c)) {
      made[c.user_data] = c.res;
      --left;
    } else if (const long n = ring_.enter(left); n < 0 && n != -EINTR) {
      break;
    }
  }
  return taken;
}

void transfer_ring::make() noexcept {
  machine& m = the_machine();
  batch calls;
  results made;
  const unsigned count = queue_.take(calls);
  const bool unlocked = m.lock.is_used();
  for (unsigned i = 0; i < count; ++i) {
    auto& t = static_cast<transfer&>(*calls[i]);
    t.fd = t.file->fd();
    t.ticket = m.reactor.ticket(t.fd);
    // Nobody closes the descriptor while its number is used.
    if (core::descriptor* d = unlocked ? m.reactor.entry(t.fd) : nullptr) ++d->users;
  }
  const bool by_ring = count >= transfer_queue::worth_a_batch && open();
  under_way_ = true;
  m.lock.release();
  const unsigned together = by_ring ? make_together(calls, count, made) : 0;
  for (unsigned i = together; i < count; ++i)
    made[i] = make_by_itself(*calls[i]);
  m.lock.acquire();
  under_way_ = false;
  if (refused_ || (by_ring && together < count)) refuse();
  m.stats.batches += by_ring;
  m.stats.batched += together;
  for (unsigned i = 0; i < count; ++i) {
    socket_call& t = *calls[i];
    if (core::descriptor* d = unlocked ? m.reactor.entry(t.fd) : nullptr) --d->users;
    t.result = made[i];
    unpark(*static_cast<green*>(t.owner), wakeup::event);
  }
}

} // namespace weft::patch

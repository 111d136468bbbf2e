// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/transfer_ring.hpp"

#include <liburing.h>
#include <sys/socket.h>

#include <cerrno>
#include <new>

namespace weft::core {
namespace {

constexpr int tries_when_short = 3; // of memory, or of room in the kernel

ssize_t make_by_itself(const socket_call& t) noexcept {
  const int error = errno;
  const ssize_t n = t.what == socket_call::kind::send
                        ? ::send(t.fd, t.data, t.size, t.flags | MSG_DONTWAIT)
                        : ::recv(t.fd, t.data, t.size, t.flags | MSG_DONTWAIT);
  const ssize_t result = n < 0 ? -errno : n;
  errno = error;
  return result;
}

void describe(io_uring_sqe* entry, const socket_call& t, unsigned index) noexcept {
  if (t.what == socket_call::kind::send)
    io_uring_prep_send(entry, t.fd, t.data, t.size, t.flags | MSG_DONTWAIT);
  else
    io_uring_prep_recv(entry, t.fd, t.data, t.size, t.flags | MSG_DONTWAIT);
  entry->user_data = index;
}

} // namespace

transfer_ring::transfer_ring(done_function done) noexcept : done_(done) {}

transfer_ring::~transfer_ring() {
  close();
}

int transfer_ring::probe() noexcept {
  io_uring ring;
  if (const int failed = io_uring_queue_init(capacity, &ring, 0); failed < 0) return failed;
  // Null too where the kernel has no probe: Linux before 5.6, which had neither call.
  io_uring_probe* const known = io_uring_get_probe_ring(&ring);
  const bool knows_both = known && io_uring_opcode_supported(known, IORING_OP_SEND) &&
                          io_uring_opcode_supported(known, IORING_OP_RECV);
  if (known) io_uring_free_probe(known);
  io_uring_queue_exit(&ring);
  return knows_both ? 0 : -EOPNOTSUPP;
}

int transfer_ring::descriptor() const noexcept {
  return ring_ ? ring_->ring_fd : -1;
}

bool transfer_ring::open() noexcept {
  if (ring_) return true;
  if (refused_) return false;
  std::unique_ptr<io_uring> made(new (std::nothrow) io_uring);
  refused_ = !made || io_uring_queue_init(capacity, made.get(), 0) < 0;
  if (!refused_) ring_ = std::move(made);
  return !refused_;
}

void transfer_ring::close() noexcept {
  if (!ring_) return;
  io_uring_queue_exit(ring_.get());
  ring_.reset();
}

void transfer_ring::push(socket_call& t) noexcept {
  if (queue_.push(t)) flush();
}

void transfer_ring::flush() noexcept {
  if (empty()) return;
  socket_call* batch[capacity];
  const unsigned taken = queue_.take(batch);
  unsigned count = 0;
  for (unsigned i = 0; i < taken; ++i) {
    socket_call& t = *batch[i];
    if (t.stale && t.stale(t))
      finish(t, -EBADF);
    else
      batch[count++] = &t;
  }
  const bool worth_it = count >= transfer_queue::worth_a_batch && open();
  const unsigned done = worth_it ? submit(batch, count) : 0;
  for (unsigned i = done; i < count; ++i)
    finish(*batch[i], make_by_itself(*batch[i]));
}

/// How many were made: all, unless the kernel does not let the ring be used any more.
unsigned transfer_ring::submit(socket_call* const* batch, unsigned count) noexcept {
  io_uring* const ring = ring_.get();
  for (unsigned i = 0; i < count; ++i)
    describe(io_uring_get_sqe(ring), *batch[i], i);
  int tries_left = tries_when_short;
  while (io_uring_sq_ready(ring) != 0) {
    // Older kernels stop at an entry whose descriptor is none, and take the rest when asked again.
    const int taken = io_uring_submit(ring);
    if (taken > 0 || taken == -EINTR) continue;
    if ((taken == 0 || taken == -EAGAIN || taken == -ENOMEM || taken == -EBUSY) && --tries_left > 0)
      continue;
    refused_ = true;
    // The program closed all descriptors that it did not know: the number may be its own by now.
    if (taken == -EBADF || taken == -EOPNOTSUPP) ring->ring_fd = -1;
    break;
  }
  ++batches_;
  const unsigned taken = count - io_uring_sq_ready(ring);
  for (unsigned completed = 0; completed < taken; ++completed) {
    io_uring_cqe* entry = nullptr;
    int failed;
    do {
      failed = io_uring_wait_cqe(ring, &entry); // it is there: no system call
    } while (failed == -EINTR);
    if (failed < 0) break;
    const auto index = static_cast<unsigned>(entry->user_data);
    ssize_t result = entry->res;
    io_uring_cqe_seen(ring, entry);
    // The ring never raises SIGPIPE; a plain call that finds the same does.
    if (result == -EPIPE && !(batch[index]->flags & MSG_NOSIGNAL))
      result = make_by_itself(*batch[index]);
    finish(*batch[index], result);
  }
  if (refused_) {
    close();
    // Taken, and nobody can say any more how it went.
    for (unsigned i = 0; i < taken; ++i)
      if (!batch[i]->is_done()) finish(*batch[i], -EIO);
  }
  return taken;
}

void transfer_ring::reset_after_fork() noexcept {
  queue_.reset();
  close(); // this process's descriptor and mappings of it: nothing that the parent has is touched
  refused_ = false;
}

} // namespace weft::core

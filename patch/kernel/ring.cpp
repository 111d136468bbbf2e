// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/ring.hpp"

#include <errno.h>

namespace weft::patch {
namespace {

constexpr unsigned entry_count = 8;
constexpr std::uint64_t the_call = 1;
constexpr std::uint64_t a_cancellation = 2;

} // namespace

bool ring::open() noexcept {
  if (ring_.is_open()) return true;
  if (refused_) return false;
  const long failed = ring_.open(entry_count, 0);
  refused_ = failed && !io_ring::may_work_later(failed);
  return !failed;
}

bool ring::submit(const io_uring_sqe& entry) noexcept {
  // The kernel takes each as it is submitted, so there is always room.
  ring_.push(entry);
  long n;
  do {
    n = ring_.enter(0);
  } while (n == -EINTR);
  if (n == 1) return true;
  ring_.take_back();
  return false;
}

/// Takes out what is complete; whether the call itself is among it.
bool ring::harvest(long& result) noexcept {
  bool found = false;
  for (io_uring_cqe c; ring_.pop(c);) {
    if (c.user_data != the_call) continue; // a cancellation's own
    result = c.res;
    found = true;
  }
  return found;
}

long ring::attempt(io_uring_sqe entry) noexcept {
  entry.user_data = the_call;
  long result = 0;
  if (!submit(entry)) return -ENOSYS;
  if (harvest(result)) return result;
  // It waits. Cancelled at once it is as if O_NONBLOCK had been set.
  io_uring_sqe cancel{};
  cancel.opcode = IORING_OP_ASYNC_CANCEL;
  cancel.fd = -1;
  cancel.addr = the_call;
  cancel.user_data = a_cancellation;
  submit(cancel);
  while (!harvest(result))
    ring_.enter(1);
  // It may have been done before it could be cancelled.
  return result == -ECANCELED || result == -EINTR ? -EAGAIN : result;
}

} // namespace weft::patch

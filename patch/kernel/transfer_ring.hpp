// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/files_in_use.hpp"
#include "patch/kernel/io_ring.hpp"
#include "runtime/core/transfer_queue.hpp"

namespace weft::patch {

/// One recv or send of a green thread's, its owner's.
struct transfer : core::socket_call {
  /// Held: the number follows the open file until the call is made, in `fd`.
  open_file* file = nullptr;
};

/// Has the kernel make many threads' recvs and sends by one system call, where WEFT_BACKEND asks
/// for that.
///
/// Threads that wait in a recv are not woken when their sockets become ready: who has looked for
/// events receives for many at once, and wakes each with its result. A thread that sends while
/// others are ready parks until their turns are over, and its call is made with the next.
///
/// Every call has MSG_DONTWAIT, so the kernel makes it while it takes it, and nothing is left in
/// the ring afterwards: what may have to wait is withdrawn from the queue, or done. One batch is
/// made at a time, without the machine's lock if several workers run; all else is for who has that.
class transfer_ring {
 public:
  transfer_ring() noexcept = default;

  /// From now on it is used, if the kernel allows it: 0 or -errno.
  long begin() noexcept;
  [[nodiscard]] bool is_used() const noexcept { return used_; }

  /// Queues a call. Whoever does so parks until it is done.
  void push(transfer& t) noexcept { queue_.push(t); }
  /// Queues one whose socket became ready.
  void push_ready(core::socket_call& t) noexcept { queue_.push_ready(t); }
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  /// Whether some are to be made, and nobody is about it. To be asked by every worker that has run
  /// out of threads, and now and then by those that have not.
  [[nodiscard]] bool is_due() const noexcept { return !queue_.empty() && !under_way_; }
  /// Makes some, and wakes their owners. Never waits.
  void make() noexcept;
  /// Whether what is about to be done is likely to be one of many: the last was.
  [[nodiscard]] bool is_busy() const noexcept { return queue_.is_busy(); }

  /// From now on it is not used, and what is queued is made one by one: the kernel would kill
  /// whoever used a ring.
  void refuse() noexcept;
  /// In a fork's child, where none of their owners lives.
  void reset_after_fork() noexcept;

 private:
  using batch = core::socket_call * [core::transfer_queue::capacity];
  using results = long[core::transfer_queue::capacity];

  [[nodiscard]] bool open() noexcept;
  unsigned make_together(const batch& calls, unsigned count, results& made) noexcept;
  unsigned submit(unsigned count) noexcept;

  core::transfer_queue queue_;
  bool used_ = false;
  bool under_way_ = false; // a batch
  bool refused_ = false;
  io_ring ring_;
};

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "runtime/core/transfer_queue.hpp"

struct io_uring;

namespace weft::core {

/// Makes many calls by one system call: an io_uring.
///
/// Every call has MSG_DONTWAIT, so the kernel makes it while it takes it, and nothing is left in
/// the ring when `flush` returns: no buffer is the kernel's while a fiber runs, a call that is
/// still queued is withdrawn by `unlink`, a closed descriptor is not kept open by the ring, and a
/// forked child has nothing to wait for. What waits is the reactor, by epoll: a request of io_uring
/// that waits, POLL_ADD too, holds its open file, so that a plain close(2) would not close it.
///
/// Owned and called by one hub. Allocates only when the ring is made, at the first batch.
class transfer_ring {
 public:
  using done_function = void (*)(socket_call&) noexcept;
  /// As many are made at once; asked for more, `push` makes some.
  static constexpr unsigned capacity = transfer_queue::capacity;
  static constexpr unsigned ready_at_once = transfer_queue::ready_at_once;

  /// `done` is called for each, once it has its result.
  explicit transfer_ring(done_function done) noexcept;
  transfer_ring(const transfer_ring&) = delete;
  transfer_ring& operator=(const transfer_ring&) = delete;
  ~transfer_ring();

  /// Whether this process can have a ring that knows both calls: 0, or why not (-errno).
  [[nodiscard]] static int probe() noexcept;

  /// Queues it for the next `flush`.
  void push(socket_call& t) noexcept;
  /// Queues one whose socket became ready, behind all others.
  void push_ready(socket_call& t) noexcept { queue_.push_ready(t); }
  /// Makes what was pushed, and the first of those that are ready. Never waits.
  void flush() noexcept;

  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  /// Whether what is about to be done is likely to be one of many: the last flush was.
  [[nodiscard]] bool is_busy() const noexcept { return queue_.is_busy(); }
  /// How many batches it had the kernel make.
  [[nodiscard]] std::uint64_t batches() const noexcept { return batches_; }
  /// The ring's, or -1.
  [[nodiscard]] int descriptor() const noexcept;

  /// In a child after fork: what is queued is lost, and the ring is the parent's.
  void reset_after_fork() noexcept;

 private:
  [[nodiscard]] bool open() noexcept;
  void close() noexcept;
  [[nodiscard]] unsigned submit(socket_call* const* batch, unsigned count) noexcept;
  void finish(socket_call& t, ssize_t result) noexcept {
    t.result = result;
    done_(t);
  }

  done_function done_;
  transfer_queue queue_;
  bool refused_ = false;
  std::uint64_t batches_ = 0;
  std::unique_ptr<io_uring> ring_;
};

} // namespace weft::core

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/core/list.hpp"

struct io_uring;

namespace weft::core {

/// One recv or send of a socket that is to be made without waiting, together with others. Lives on
/// the stack of who asks for it.
struct socket_call : list_hook<> {
  enum class kind : std::uint8_t { receive, send };
  static constexpr ssize_t pending = PTRDIFF_MIN;
  static constexpr std::size_t largest = std::size_t{1} << 30;

  kind what = kind::receive;
  int fd = -1;
  int flags = 0; // besides MSG_DONTWAIT
  void* data = nullptr;
  std::size_t size = 0;         // at most `largest`
  ssize_t result = pending;     // of the call, or -errno
  std::uint32_t ticket = 0;     // the descriptor's when it was queued, for reactor::clear
  std::uint32_t generation = 0; // likewise, for `stale`
  void* owner = nullptr;        // for `done`
  /// Asked right before the call is made: whether `fd` is another file's by now. The result is
  /// -EBADF then. May be null.
  bool (*stale)(const socket_call&) noexcept = nullptr;

  [[nodiscard]] bool is_done() const noexcept { return result != pending; }
};

/// Makes many such calls by one system call: an io_uring.
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
  static constexpr unsigned capacity = 64;
  /// Of what is ready, as many: their fibers run next, and what they ask for is made with the next
  /// of these. With a thousand connections all at once would have left the cache by then.
  static constexpr unsigned ready_at_once = 32;
  /// Fewer are made one by one: entering the ring costs as much as two plain calls.
  static constexpr unsigned worth_a_batch = 3;

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
  void push_ready(socket_call& t) noexcept;
  /// Makes what was pushed, and the first of those that are ready. Never waits.
  void flush() noexcept;

  [[nodiscard]] bool empty() const noexcept { return pushed_.empty() && ready_.empty(); }
  /// Whether what is about to be done is likely to be one of many: the last flush was.
  [[nodiscard]] bool is_busy() const noexcept { return last_batch_ >= worth_a_batch; }
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
  list<socket_call> pushed_;
  list<socket_call> ready_;
  unsigned pushed_size_ = 0; // at most, as some may have been withdrawn
  unsigned last_batch_ = 0;
  bool refused_ = false;
  std::uint64_t batches_ = 0;
  std::unique_ptr<io_uring> ring_;
};

} // namespace weft::core

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "runtime/core/list.hpp"

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
  std::uint32_t ticket = 0;     // the descriptor's when it was queued or made, for reactor::clear
  std::uint32_t generation = 0; // likewise, for `stale`
  void* owner = nullptr;        // who is told when it is made
  /// Asked right before the call is made: whether `fd` is another file's by now. The result is
  /// -EBADF then. May be null.
  bool (*stale)(const socket_call&) noexcept = nullptr;

  [[nodiscard]] bool is_done() const noexcept { return result != pending; }
};

/// Which of many such calls are made by one system call, and when. What is queued is withdrawn by
/// `unlink`.
class transfer_queue {
 public:
  /// As many are made at once.
  static constexpr unsigned capacity = 64;
  /// Of what is ready, as many: their owners run next, and what they ask for is made with the next
  /// of these. With a thousand connections all at once would have left the cache by then.
  static constexpr unsigned ready_at_once = 32;
  /// Fewer are made one by one: entering an io_uring costs as much as two plain calls.
  static constexpr unsigned worth_a_batch = 3;

  /// Queues one. Whether there are as many now as can be made at once.
  bool push(socket_call& t) noexcept {
    t.result = socket_call::pending;
    pushed_.push_back(t);
    return ++pushed_size_ >= capacity;
  }
  /// Queues one whose socket became ready, behind all others.
  void push_ready(socket_call& t) noexcept {
    t.result = socket_call::pending;
    ready_.push_back(t);
  }
  /// Takes out what is to be made now: what was pushed, and the first of those that are ready. How
  /// many these are.
  unsigned take(socket_call* (&batch)[capacity]) noexcept {
    pushed_size_ = 0;
    unsigned count = 0;
    while (count < capacity && !pushed_.empty())
      batch[count++] = &pushed_.pop_front();
    for (unsigned n = 0; n < ready_at_once && count < capacity && !ready_.empty(); ++n)
      batch[count++] = &ready_.pop_front();
    last_batch_ = count;
    return count;
  }

  [[nodiscard]] bool empty() const noexcept { return pushed_.empty() && ready_.empty(); }
  /// Whether what is about to be done is likely to be one of many: the last batch was.
  [[nodiscard]] bool is_busy() const noexcept { return last_batch_ >= worth_a_batch; }

  /// Forgets all without touching it: after fork it may be gone.
  void reset() noexcept {
    pushed_.reset();
    ready_.reset();
    pushed_size_ = last_batch_ = 0;
  }

 private:
  list<socket_call> pushed_;
  list<socket_call> ready_;
  unsigned pushed_size_ = 0; // at most, as some may have been withdrawn
  unsigned last_batch_ = 0;
};

} // namespace weft::core

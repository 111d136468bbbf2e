// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "runtime/core/clock.hpp"
#include "runtime/core/reactor.hpp"
#include "runtime/core/transfer_ring.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/deadline.hpp"
#include "weft/detail/blocking_call.hpp"

namespace weft::io {

/// What was remembered of a descriptor, in core::descriptor::notes.
enum note : std::uint8_t {
  settings_known = 1, // the bits and time-outs below
  non_blocking = 2,   // O_NONBLOCK is set
  no_socket = 4,      // recv and send do not apply
  poll_first = 8,     // nor does RWF_NOWAIT: FIFOs, terminals, signalfd, ...
  always_ready = 16,  // nor does poll: a file in memory
  on_disk = 32,       // a file of a file system that has no RWF_NOWAIT, at least for writing
};

/// What a socket call does with one piece of memory.
struct recv_or_send {
  core::socket_call::kind what;
  const void* data;
  std::size_t size;
  int flags;
};

/// One cooperative call on one descriptor: tries, and waits in between. On a thread without a hub
/// it waits in poll(2).
///
/// Errors are negative errno values throughout; -EAGAIN of a try means that it would block.
class operation {
 public:
  /// The start of a call: a switch point.
  operation(int fd, core::io_events direction, const deadline& until, detail::blocking_call call)
      : hub_(detail::this_hub), until_(until), call_(call), fd_(fd), direction_(direction) {
    if (!hub_) return;
    hub_->switch_point();
    entry_ = hub_->reactor().entry(fd);
    if (entry_) ring_ = hub_->transfers();
  }
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

  /// Neither hub nor deadline: the plain call does.
  [[nodiscard]] bool plain() const noexcept { return !hub_ && until_.is_never(); }

  /// Tries until the result is another than "would block", waiting in between. `attempt` never
  /// blocks. -EPERM is also the result where there is nothing to wait for (a regular file).
  template <class Attempt>
  ssize_t run(Attempt attempt) {
    while (true) {
      if (worth_trying() || !may_wait()) {
        const ssize_t result = attempt();
        if (result != -EAGAIN) [[likely]]
          return result;
      }
      if (const int failed = wait()) return failed;
    }
  }

  /// The same where `attempt` does, if the descriptor is a socket, what `same()` says: that may be
  /// made together with other fibers' calls. So may not what has no `data`.
  template <class Attempt, class Same>
  ssize_t run(Attempt attempt, Same same) {
    return ring_ ? run_with_others(attempt, same()) : run(attempt);
  }

  /// The last try transferred something, but less than it was asked to.
  void transferred_less() noexcept {
    if (entry_) core::reactor::note_partial(*entry_, fd_, direction_, ticket_);
  }

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint8_t notes() const noexcept { return entry_ ? entry_->notes : own_notes_; }
  void take_note(note n) noexcept { (entry_ ? entry_->notes : own_notes_) |= n; }
  /// Whether the user set O_NONBLOCK.
  [[nodiscard]] bool user_wants_no_waiting() noexcept {
    if (!(notes() & settings_known)) [[unlikely]]
      look_up_settings();
    return (notes() & non_blocking) != 0;
  }
  /// When the call has to end, by its deadline or by the socket's time-out, whichever is sooner
  /// (as of the first time that this is called).
  [[nodiscard]] core::nanoseconds limit() noexcept {
    return until_.is_never() && sockets_timeout() == 0 ? core::never : earliest_limit();
  }

 private:
  /// One that, if it is made after other fibers' turns, is so only if the number is still the same
  /// file's.
  struct checked_call : core::socket_call {
    const core::descriptor* entry = nullptr;
    std::uint32_t epoch = 0;
  };

  [[nodiscard]] bool worth_trying() noexcept {
    if (!entry_) return true;
    ticket_ = entry_->changes;
    return (direction_ & ~entry_->not_ready) != 0;
  }
  /// What is known may be old, and who does not wait would not learn that it is.
  bool may_wait() noexcept { return !user_wants_no_waiting() && limit() != 0; }
  template <class Attempt>
  ssize_t run_with_others(Attempt attempt, const recv_or_send& same) {
    if (!same.data || same.size > core::socket_call::largest) return run(attempt);
    checked_call call;
    prepare(call, same);
    while (true) {
      if (worth_trying() || !may_wait()) {
        const ssize_t result = worth_batching() ? make_with_others(call) : attempt();
        if (result != -EAGAIN && result != -ENOTSOCK) [[likely]]
          return result;
        if (result == -ENOTSOCK) return run(attempt);
      }
      if (const int failed = wait(&call)) return failed;
      if (call.is_done() && call.result != -EAGAIN && call.result != -ENOTSOCK) return call.result;
    }
  }
  void prepare(checked_call& call, const recv_or_send& asked) noexcept;
  [[nodiscard]] bool worth_batching() noexcept;
  ssize_t make_with_others(checked_call& call);
  int wait(checked_call* call = nullptr);
  int wait_on_hub(core::nanoseconds end, checked_call* call);
  int wait_in_poll(core::nanoseconds end) noexcept;
  void look_up_settings() noexcept;
  /// In milliseconds; 0: none.
  [[nodiscard]] std::uint32_t sockets_timeout() const noexcept {
    if (!entry_) return own_timeout_;
    return direction_ & core::io_out ? entry_->send_timeout : entry_->receive_timeout;
  }
  [[nodiscard]] core::nanoseconds earliest_limit() noexcept;

  hub* hub_;
  core::transfer_ring* ring_ = nullptr;
  core::descriptor* entry_ = nullptr;
  const deadline& until_;
  detail::blocking_call call_;
  int fd_;
  core::io_events direction_;
  std::uint32_t ticket_ = 0;
  std::uint8_t own_notes_ = 0;
  bool limit_known_ = false;
  bool limit_is_the_sockets_ = false;
  std::uint32_t own_timeout_ = 0;
  core::nanoseconds limit_ = 0; // if known
};

/// Registers and queues a waiter whose operation found nothing; as reactor::add.
int add_waiter(hub& h, core::io_waiter& w);

/// `fd` was just made, or is a socket about to be connected: a record of it is of another file,
/// which was closed by other means than io::close.
void drop_old_record(int fd) noexcept;

/// Sets errno of a negative result.
inline ssize_t posix_result(ssize_t result) noexcept {
  if (result >= 0) [[likely]]
    return result;
  errno = static_cast<int>(-result);
  return -1;
}

} // namespace weft::io

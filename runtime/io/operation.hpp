// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/core/clock.hpp"
#include "runtime/core/reactor.hpp"
#include "runtime/core/transfer_ring.hpp"
#include "weft/deadline.hpp"
#include "weft/detail/blocking_call.hpp"

namespace weft {
class hub;
}

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
  operation(int fd, core::io_events direction, const deadline& until, detail::blocking_call call);
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

  /// The same where `attempt` does, if the descriptor is a socket, what `same` says: that may be
  /// made together with other fibers' calls. `same` may be null.
  template <class Attempt>
  ssize_t run(Attempt attempt, const recv_or_send* same) {
    if (!ring_ || !same || same->size > core::socket_call::largest) [[likely]]
      return run(attempt);
    checked_call call;
    prepare(call, *same);
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

  /// The last try transferred something, but less than it was asked to.
  void transferred_less() noexcept;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::uint8_t notes() const noexcept { return entry_ ? entry_->notes : own_notes_; }
  void take_note(note n) noexcept { (entry_ ? entry_->notes : own_notes_) |= n; }
  /// Whether the user set O_NONBLOCK.
  [[nodiscard]] bool user_wants_no_waiting() noexcept;
  /// When the call has to end, by its deadline or by the socket's time-out, whichever is sooner
  /// (as of the first time that this is called).
  [[nodiscard]] core::nanoseconds limit() noexcept;

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
  void prepare(checked_call& call, const recv_or_send& asked) noexcept;
  [[nodiscard]] bool worth_batching() noexcept;
  ssize_t make_with_others(checked_call& call);
  int wait(checked_call* call = nullptr);
  int wait_on_hub(checked_call* call);
  int wait_in_poll() noexcept;
  void look_up_settings() noexcept;

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
  core::nanoseconds limit_ = 0;
};

/// Registers and queues a waiter whose operation found nothing; as reactor::add.
int add_waiter(hub& h, core::io_waiter& w);

/// `fd` was just made, or is a socket about to be connected: a record of it is of another file,
/// which was closed by other means than io::close.
void drop_old_record(int fd) noexcept;

/// Sets errno of a negative result.
ssize_t posix_result(ssize_t result) noexcept;

} // namespace weft::io

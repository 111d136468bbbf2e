// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <errno.h>

#include "patch/calls/deadline.hpp"
#include "patch/calls/descriptors.hpp"
#include "patch/kernel/errors.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/native.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/wait.hpp"
#include "patch/sites/raw_syscall.hpp"

/// The shape that all calls on descriptors have: try without blocking, else park.
namespace weft::patch {

/// After a call that did not have to wait. Who is always served at once, since the other end is
/// quick, would else run until it is preempted, and with hundreds of its like each would wait for
/// seconds.
/// `before` is called first, if others are given a turn.
template <class Before>
void share_processor(green& g, Before&& before) noexcept {
  constexpr unsigned in_a_row = 64;
  if (++g.calls_at_once < in_a_row || g.fiber) return;
  g.calls_at_once = 0;
  before();
  look_for_events(g);
  yield(g);
}
inline void share_processor(green& g) noexcept {
  share_processor(g, [] {});
}

/// A call of g's on one descriptor that may have to wait for it, as long as `span`
/// (SO_RCVTIMEO or SO_SNDTIMEO) allows: what was set when it first had to.
class file_call {
 public:
  using time_limit_of = core::nanoseconds (*)(int fd) noexcept;

  file_call(green& g, int fd, core::io_events direction, time_limit_of span = nullptr) noexcept
      : g_(g), file_(fd), direction_(direction), span_(span) {}

  [[nodiscard]] green& caller() const noexcept { return g_; }
  /// The number to use, looked up anew after each wait.
  [[nodiscard]] int fd() const noexcept { return file_.fd(); }
  [[nodiscard]] core::io_events direction() const noexcept { return direction_; }
  /// Whether it must not wait: O_NONBLOCK.
  [[nodiscard]] bool is_nonblocking() noexcept { return patch::is_nonblocking(file_); }
  /// Whether the program closed the descriptor meanwhile: its number is not ours any more, and
  /// the kernel can't make the call with the program's own registers.
  [[nodiscard]] bool was_closed() const noexcept { return file_.was_closed(); }

  /// From now on the number follows the open file, and no longer (open_file).
  void hold() noexcept { file_.hold(); }
  void release() noexcept { file_.release(); }

  /// Parks until the descriptor may be ready; 0, or what the call returns: -EAGAIN after
  /// the time-out, -EBADF, pass_to_kernel if there is nothing to wait for, or a restart code.
  long wait() noexcept { return wait_for(false); }
  /// The same for one who would then make `t`: 0 if that is done, or else it is not made.
  long wait(transfer& t) noexcept;
  /// Has `t` made with others' transfers.
  void make_with_others(transfer& t) noexcept;
  /// The same for one who has seen what is there and waits for more.
  long wait_for_more() noexcept { return wait_for(true); }

  /// Gives the call to the kernel, which may wait: as the program made it, or if its number is not
  /// the program's any more, as system call `number` with other arguments after it.
  template <class... Arguments>
  long natively(long number, Arguments... rest) noexcept {
    return was_closed() ? native_call(g_, number, fd(), rest...) : pass_to_kernel;
  }

  /// Whether it has waited.
  [[nodiscard]] bool has_waited() const noexcept { return waited_; }

 private:
  void begin_wait() noexcept;
  long outcome(io_wait how) const noexcept;
  long wait_for(bool only_new) noexcept;

  green& g_;
  open_file file_;
  core::io_events direction_;
  time_limit_of span_;
  bool waited_ = false;
  core::nanoseconds limit_ = core::never;
  core::nanoseconds deadline_ = core::never;
};

/// Makes a system call that does not wait, for a try of `call`'s. It may copy much and take the
/// network's whole way, so where several workers run others may enter weft meanwhile; but nobody
/// closes the descriptor (before_close), since the number is used. For tries by until_done only:
/// what comes meanwhile is noticed by its ticket.
template <class... Arguments>
long try_unlocked(file_call& call, long number, Arguments... arguments) noexcept {
  machine& m = the_machine();
  core::descriptor* d = m.lock.is_used() ? m.reactor.entry(call.fd()) : nullptr;
  if (!d) return raw_syscall(number, arguments...);
  ++d->users;
  m.lock.release();
  const long result = raw_syscall(number, arguments...);
  m.lock.acquire();
  --d->users;
  return result;
}

/// Calls `attempt(fd)` until its result is not -EAGAIN, waiting in between. A descriptor with
/// O_NONBLOCK gets its -EAGAIN. `wanted` bytes: fewer may mean that the next try would block.
/// 0 if there is no such count.
template <class Attempt>
long until_done(file_call& call, std::size_t wanted, Attempt&& attempt) noexcept {
  core::reactor& reactor = the_machine().reactor;
  const core::io_events direction = call.direction();
  for (;;) {
    const int fd = call.fd();
    const std::uint32_t ticket = reactor.ticket(fd);
    if (reactor.maybe_ready(fd, direction)) {
      const long result = attempt(fd);
      if (result > 0 && static_cast<std::size_t>(result) < wanted)
        reactor.note_partial(fd, direction, ticket);
      if (result != -EAGAIN || call.is_nonblocking()) {
        share_processor(call.caller(), [&] { call.hold(); }); // it may go on with the rest
        return result;
      }
    } else if (call.is_nonblocking()) {
      return attempt(fd);
    }
    reactor.clear(fd, direction, ticket);
    if (const long ended = call.wait()) return ended;
  }
}

/// How many of `wanted` bytes a receiving call that may wait does wait for.
[[nodiscard]] inline std::size_t least_to_receive(file_call& call, std::size_t wanted) noexcept {
  const std::size_t least = receive_low_water(call.fd());
  if (least <= 1 || call.is_nonblocking()) return 1;
  return least < wanted ? least : wanted;
}

/// Whether `fd` would not block in `direction` now, by poll.
[[nodiscard]] bool ready_now(int fd, core::io_events direction) noexcept;

/// Waits until that is so, for a call that the kernel shall then make: 0, or how it ended. Not at
/// all with O_NONBLOCK.
long until_ready(file_call& call) noexcept;

} // namespace weft::patch

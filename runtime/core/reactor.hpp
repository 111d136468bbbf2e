// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "runtime/core/clock.hpp"
#include "runtime/core/descriptor_table.hpp"
#include "runtime/core/list.hpp"

namespace weft::core {

/// What a waiter waits for, and what came: the kernel's own bits (EPOLLIN and POLLIN
/// are the same number, and so are the others), so that no translation is needed.
using io_events = std::uint32_t;
inline constexpr io_events io_in = 0x001;           // EPOLLIN
inline constexpr io_events io_priority = 0x002;     // EPOLLPRI
inline constexpr io_events io_out = 0x004;          // EPOLLOUT
inline constexpr io_events io_error = 0x008;        // EPOLLERR
inline constexpr io_events io_hangup = 0x010;       // EPOLLHUP
inline constexpr io_events io_read_hangup = 0x2000; // EPOLLRDHUP
/// Of which a reactor remembers whether they are ready.
inline constexpr io_events io_directions = io_in | io_out | io_priority;

/// The other bits that poll(2) and epoll know (RDNORM, RDBAND, WRNORM, WRBAND, MSG) follow
/// from those: a waiter for one of them asks for io_in, io_out or io_priority.
/// io_error and io_hangup wake every waiter.

struct socket_call;

/// Somebody who waits for one descriptor. Lives on the waiter's stack; one that waits
/// for many descriptors has one for each. Taken out by the reactor when it wakes it.
struct io_waiter : list_hook<> {
  io_events wanted = 0;
  io_events came = 0; // set before `wake` is called
  int fd = -1;
  /// It knows what is ready and waits for more: the kernel is not made to look again.
  bool only_new = false;
  void* owner = nullptr;          // for `wake`
  socket_call* to_make = nullptr; // likewise: to be made as soon as one of its events comes
};

/// Watches descriptors for readiness, by epoll. (What may wait in an io_uring instead, and why
/// it does not: transfer_ring.hpp.)
///
/// Each descriptor is registered once, edge-triggered, in both directions, and its
/// readiness remembered as flags which start as "may be ready". Hence the protocol of
/// a caller, which needs no epoll_ctl and no probing read in the common case:
///
///     auto ticket = r.ticket(fd);
///     if (r.maybe_ready(fd, io_in)) { n = try_without_blocking(); if (n != -EAGAIN) done }
///     r.clear(fd, io_in, ticket);
///     io_waiter w{...}; r.add(w);  // registers at the first time; <0: can't be waited for
///     park();                      // `wake` makes it ready again
///
/// `clear` is only for one who saw EAGAIN, or through `note_partial` a short transfer.
/// The ticket makes clear harmless when an event was harvested between try and clear. `add`
/// is safe without: if what is waited for is not known to be not ready, the kernel is made
/// to look again, and what is ready is reported by the next `poll`.
///
/// Not synchronised: its owner (a hub, or the patch's kernel under its lock) calls all
/// but `interrupt`.
class reactor {
 public:
  using wake_function = void (*)(io_waiter&) noexcept;

  /// `wake` is called from `poll`, `forget` for each waiter whose event came, after it
  /// was taken out. Makes no system call: the epoll instance is made when first needed.
  constexpr explicit reactor(wake_function wake) noexcept : wake_(wake) {}
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;
  ~reactor();

  /// Number of readiness changes seen on `fd`, to be passed to `clear`.
  [[nodiscard]] std::uint32_t ticket(int fd) noexcept {
    const descriptor* d = table_.find(fd);
    return d ? d->changes : 0;
  }
  /// Whether trying is worth while: false only if it is known that it would block.
  [[nodiscard]] bool maybe_ready(int fd, io_events what) noexcept {
    const descriptor* d = table_.find(fd);
    return !d || (what & ~d->not_ready) != 0;
  }
  /// A try found `what` not ready. No effect if something came since `ticket` was drawn.
  void clear(int fd, io_events what, std::uint32_t ticket) noexcept {
    if (descriptor* d = table_.find(fd)) clear(*d, what, ticket);
  }
  static void clear(descriptor& d, io_events what, std::uint32_t ticket) noexcept {
    // Of a descriptor that is not registered no event would ever undo it.
    if (d.registered && d.changes == ticket) d.not_ready |= what & io_directions;
  }
  /// A transfer did less than was asked for: on a TCP stream on which neither end nor
  /// error nor urgent data was seen this means "not ready any more" and saves the
  /// EAGAIN. On everything else (SCM_RIGHTS stop short on AF_UNIX, datagrams, ttys) it
  /// says nothing and has no effect.
  void note_partial(int fd, io_events what, std::uint32_t ticket) noexcept {
    if (descriptor* d = table_.find(fd)) note_partial(*d, fd, what, ticket);
  }
  static void note_partial(descriptor& d, int fd, io_events what, std::uint32_t ticket) noexcept {
    if (!d.registered || d.seen != 0) return;
    if (d.type == descriptor::kind::unknown) [[unlikely]]
      find_kind(fd, d);
    if (d.type == descriptor::kind::tcp_stream && d.changes == ticket)
      d.not_ready |= what & io_directions;
  }

  /// Whether it is a stream of TCP, asked once for each file.
  [[nodiscard]] bool is_tcp_stream(int fd) noexcept {
    descriptor* d = table_.touch(fd);
    if (d && d->type == descriptor::kind::unknown) find_kind(fd, *d);
    return d && d->type == descriptor::kind::tcp_stream;
  }

  /// Queues `w` (fd, wanted, owner set) until one of its events comes. Registers the
  /// descriptor if it is not. Returns 0, or -EPERM (a regular file: always ready),
  /// -EBADF, -ENOMEM, -ENOSPC (also for a number beyond sparse_table's capacity), -EMFILE
  /// (no descriptor left for the epoll instance), -ELOOP; then `w` is not queued.
  int add(io_waiter& w) noexcept;
  /// The same where `d` is known to be the descriptor's entry.
  int add(io_waiter& w, descriptor& d) noexcept;
  /// Takes `w` out again, if it still is in.
  void remove(io_waiter& w) noexcept;

  /// To be called before `fd` is closed or replaced by dup2: wakes its waiters with
  /// `came` = `event` (0 for none) and makes the number as new, so that a recycled one
  /// never receives a stale event. Before, since a closed descriptor that a dup or a
  /// child still holds cannot be taken out of the epoll set any more.
  void forget(int fd, io_events event) noexcept;
  /// `forget` for a number that was (or may have been) closed behind our back.
  void renew(int fd) noexcept;

  /// Visits the waiters of `fd`; the visitor may take out the one that it visits.
  template <class F>
  void for_each_waiter(int fd, F&& visit) {
    if (descriptor* d = table_.find(fd)) d->waiters.for_each(visit);
  }

  /// Whether an `audit` has something to look at.
  [[nodiscard]] bool has_unverified() const noexcept { return young_ || old_; }
  /// Looks whether descriptors that are waited for, and on which nothing came since the audit
  /// before the last, still are the files that were registered: one system call for each. Those
  /// that are not, because they were closed behind our back and the number is another file's now,
  /// are registered anew; of those that are closed the waiters are woken with `came` = 0. To be
  /// called a few times a second while `has_unverified`: what is busy is never looked at, and
  /// what is idle only once.
  void audit() noexcept;

  /// Has `wake` told of w, whose descriptor is one of the owner's own, each time that it becomes
  /// ready for reading. Nobody waits there: w stays, is no waiter that counts, and may be one only.
  /// Returns 0 or as `add`.
  int watch(io_waiter& w) noexcept;

  /// Harvests events, waiting for the first until `deadline` (0: not waiting), and
  /// wakes. Returns how many waiters were woken, or -EINTR (or why there can be no epoll
  /// instance). Ends early on `interrupt`.
  int poll(nanoseconds deadline) noexcept;

  /// The two halves of that, for an owner that gives its lock back while it waits: `wait` may be
  /// called by several at a time and without the lock, after `prepare_interrupt` has succeeded;
  /// what it found, `most` at a time, goes to `harvest`, with the lock.
  struct batch {
    static constexpr int most = 256;
    struct [[gnu::packed]] {
      io_events events;
      std::uint64_t mark;
    } entries[most]; // as struct epoll_event
    int count = 0;
    bool interrupted = false; // `interrupt` was among them
  };
  int wait(batch& found, nanoseconds deadline, int most = batch::most) const noexcept;
  int harvest(const batch& found) noexcept;

  /// Makes a `poll` in progress, or else the next, return. Any thread, async-signal-safe.
  /// `prepare_interrupt` must have succeeded before (once).
  void interrupt() noexcept;
  int prepare_interrupt() noexcept;

  /// The entry of `fd`, made if need be; null if the number is out of range or memory is short.
  /// For the owner's notes: all else in it is the reactor's.
  [[nodiscard]] descriptor* entry(int fd) noexcept { return table_.touch(fd); }

  /// Whether somebody uses the number just now (descriptor::users).
  [[nodiscard]] bool is_in_use(int fd) noexcept {
    const descriptor* d = table_.find(fd);
    return d && d->users != 0;
  }

  /// Whether any descriptor has a waiter.
  [[nodiscard]] bool has_waiters() const noexcept { return waiters_ != 0; }
  [[nodiscard]] int epoll_descriptor() const noexcept { return epoll_; }
  [[nodiscard]] int event_descriptor() const noexcept { return event_; }

  /// In a child after fork: closes the inherited epoll and eventfd (never changes the
  /// shared set) and forgets all waiters and registrations.
  void reset_after_fork() noexcept;

 private:
  static void find_kind(int fd, descriptor& d) noexcept;
  int register_descriptor(int fd, descriptor& d) noexcept;
  int open_epoll() noexcept;
  int look_again(int fd, descriptor& d) noexcept;
  void wake_all(descriptor& d, io_events came) noexcept;
  int note(std::uint64_t mark, io_events came, descriptor* d) noexcept;

  wake_function wake_;
  int epoll_ = -1;
  int event_ = -1;
  io_waiter* watched_ = nullptr;
  unsigned waiters_ = 0;
  descriptor* young_ = nullptr; // waited for since the last audit
  descriptor* old_ = nullptr;   // since the one before
  sparse_table<descriptor> table_;
};

} // namespace weft::core

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <errno.h>
#include <sys/mman.h>

#include "patch/calls/blocking.hpp"
#include "patch/calls/call_mask.hpp"
#include "patch/calls/deadline.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/kernel/wait.hpp"
#include "patch/sites/raw_syscall.hpp"

/// Waiting for several descriptors: what poll, select and epoll_wait have in common.
///
/// The kernel is asked without waiting; if nothing is ready the caller parks on each of the
/// descriptors in the reactor, whose next edge on any of them makes it ask again. One that
/// waits for a single descriptor known not to be ready need not ask at all.
namespace weft::patch {

/// Memory for one T for each descriptor of a call: a few on the stack, which may be small, many
/// mapped.
template <class T>
class call_array {
 public:
  explicit call_array(unsigned count) noexcept : count_(count) {
    if (count <= few) {
      at_ = reinterpret_cast<T*>(here_);
    } else {
      const long mapped = core::sys::map(nullptr, sizeof(T) * count, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS);
      at_ = is_error(mapped) ? nullptr : reinterpret_cast<T*>(mapped);
    }
    if (at_)
      for (unsigned i = 0; i < count; ++i)
        ::new (&at_[i]) T{};
  }
  call_array(const call_array&) = delete;
  call_array& operator=(const call_array&) = delete;
  ~call_array() {
    if (at_ && count_ > few) core::sys::unmap(at_, sizeof(T) * count_);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return at_ != nullptr; }
  T& operator[](unsigned i) noexcept { return at_[i]; }
  [[nodiscard]] T* data() noexcept { return at_; }

 private:
  static constexpr unsigned few = 8;
  unsigned count_;
  T* at_;
  alignas(T) unsigned char here_[few * sizeof(T)];
};

/// What a time-out argument means as a deadline of this call; 0: not to wait.
struct time_limit {
  core::nanoseconds until = core::never;
  bool none = false;
};
[[nodiscard]] inline time_limit limit_of(green& g, core::nanoseconds span) noexcept {
  if (span == 0) return {0, true};
  return {call_deadline(g, span), false};
}

[[nodiscard]] inline core::nanoseconds span_of_milliseconds(int milliseconds) noexcept {
  return milliseconds < 0 ? core::never : milliseconds * 1'000'000L;
}

/// The mask that ppoll and its like were given, if any.
class given_mask {
 public:
  /// 0, -EINVAL for a size that is no sigset's, or -EFAULT.
  long read(const std::uint64_t* from, std::uint64_t size) noexcept {
    if (!from) return 0;
    if (size != sizeof set_) return -EINVAL;
    given_ = true;
    return get_user(set_, from) ? 0 : -EFAULT;
  }
  [[nodiscard]] const std::uint64_t* get() const noexcept { return given_ ? &set_ : nullptr; }

 private:
  std::uint64_t set_ = 0;
  bool given_ = false;
};

/// A mask that holds for this call only (ppoll and its like). In a scope: unless a signal
/// ended the call, the old mask is back before any is looked at.
class mask_for_call {
 public:
  mask_for_call(green& g, const std::uint64_t* mask) noexcept : g_(g) {
    if (!mask) return;
    g.saved_blocked = g.blocked;
    g.restore_blocked = true;
    set_blocked(g, *mask);
  }
  mask_for_call(const mask_for_call&) = delete;
  mask_for_call& operator=(const mask_for_call&) = delete;

  long done(long result) noexcept {
    if (g_.restore_blocked && result != restart_unless_handled) {
      g_.restore_blocked = false;
      set_blocked(g_, g_.saved_blocked);
    }
    return result;
  }

 private:
  green& g_;
};

/// Queues g for each of `count` descriptors and parks. `describe(i, fd, wanted)` tells them.
/// The cause of waking; `none` if some descriptor can't be waited for: then it is always
/// ready, or no descriptor, and the kernel will have said so. The kernel has just found none of
/// them ready. Of one that is closed meanwhile it is the open file that is waited for.
template <class Describe>
wakeup park_on_all(green& g, unsigned count, core::nanoseconds until,
                   Describe&& describe) noexcept {
  machine& m = the_machine();
  call_array<core::io_waiter> waiters{count};
  if (!waiters) return wakeup::none;
  prepare_park(g);
  bool waitable = true;
  bool short_of_room = false;
  for (unsigned i = 0; i < count && waitable; ++i) {
    core::io_waiter& w = waiters[i];
    w.owner = &g;
    describe(i, w.fd, w.wanted);
    if (w.fd < 0) continue;
    w.only_new = true; // the kernel has just said what is there
    // What knows no waiting (EPERM) was found not ready, and stays so.
    const int failed = m.reactor.add(w);
    if (is_shortage(failed))
      short_of_room = true;
    else
      waitable = failed == 0 || failed == -EPERM;
  }
  const core::nanoseconds look =
      short_of_room ? core::monotonic_now() + shortage_pause : core::never;
  wakeup why = wakeup::none;
  g.keeps_waiting = true;
  if (waitable) why = park(g, look < until ? look : until, park_reason::poll, true);
  if (why == wakeup::timeout && look < until) why = wakeup::event;
  g.keeps_waiting = false;
  for (unsigned i = 0; i < count; ++i) {
    core::io_waiter& w = waiters[i];
    if (w.linked()) m.reactor.remove(w);
    int fd;
    describe(i, fd, w.wanted);
    if (w.fd != fd) m.files.release(w.fd);
  }
  return why;
}

/// The loop of all three: ask, park, ask again. `blocked` if it is known beforehand that
/// the first answer would be "nothing".
template <class Ask, class Park>
long ask_and_park(green& g, const time_limit& limit, bool blocked, Ask&& ask,
                  Park&& park_all) noexcept {
  for (bool first = true;; first = false) {
    if (!first || !blocked || limit.none) {
      long ready;
      do // interrupted, even if not waiting, by what need not be for this thread
        ready = ask();
      while (ready == -EINTR);
      if (ready != 0 || limit.none) {
        share_processor(g);
        return ready;
      }
    }
    switch (park_all()) {
    case wakeup::timeout:
      return ask();
    case wakeup::signal:
      return restart_unless_handled;
    case wakeup::none:
      return pass_to_kernel;
    default:
      break;
    }
  }
}

/// Whether `fd` is known to be ready for none of `wanted`: some call found that, and no
/// event came since.
[[nodiscard]] inline bool known_blocked(int fd, core::io_events wanted) noexcept {
  return (wanted == core::io_in || wanted == core::io_out) &&
         !the_machine().reactor.maybe_ready(fd, wanted);
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
//
// Waiting for several descriptors: poll, select, epoll_wait.
//
// The kernel is asked without waiting; if nothing is ready the caller parks on each of the
// descriptors in the reactor, whose next edge on any of them makes it ask again. One that
// waits for a single descriptor known not to be ready need not ask at all.
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "patch/calls/deadline.hpp"
#include "patch/calls/descriptors.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/wait.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// Memory for as many waiters as a call has descriptors: a few on the stack, many mapped.
class waiter_array {
 public:
  explicit waiter_array(unsigned count) noexcept : count_(count) {
    if (count <= few) {
      at_ = reinterpret_cast<core::io_waiter*>(here_);
    } else {
      const long mapped = core::sys::map(nullptr, sizeof(core::io_waiter) * count,
                                         PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
      at_ = is_error(mapped) ? nullptr : reinterpret_cast<core::io_waiter*>(mapped);
    }
    if (at_)
      for (unsigned i = 0; i < count; ++i) ::new (&at_[i]) core::io_waiter;
  }
  waiter_array(const waiter_array&) = delete;
  waiter_array& operator=(const waiter_array&) = delete;
  ~waiter_array() {
    if (at_ && count_ > few) core::sys::unmap(at_, sizeof(core::io_waiter) * count_);
  }

  [[nodiscard]] explicit operator bool() const noexcept { return at_ != nullptr; }
  core::io_waiter& operator[](unsigned i) noexcept { return at_[i]; }

 private:
  static constexpr unsigned few = 8;
  unsigned count_;
  core::io_waiter* at_;
  alignas(core::io_waiter) unsigned char here_[few * sizeof(core::io_waiter)];
};

/// The edges that poll's events mean; POLLRDNORM and its like go with POLLIN.
core::io_events edges_of(int events) noexcept {
  core::io_events wanted = 0;
  if (events & (POLLIN | POLLRDNORM | POLLRDBAND)) wanted |= core::io_in;
  if (events & (POLLOUT | POLLWRNORM | POLLWRBAND)) wanted |= core::io_out;
  if (events & (POLLPRI | POLLRDBAND)) wanted |= core::io_priority;
  if (events & POLLRDHUP) wanted |= core::io_read_hangup;
  return wanted;
}

/// What a time-out argument means as a deadline of this call; 0: not to wait.
struct time_limit {
  core::nanoseconds until = core::never;
  bool none = false;
};
time_limit limit_of(green& g, core::nanoseconds span) noexcept {
  if (span == 0) return {0, true};
  return {call_deadline(g, span), false};
}

core::nanoseconds span_of_milliseconds(int milliseconds) noexcept {
  return milliseconds < 0 ? core::never : milliseconds * 1'000'000L;
}

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
/// ready, or no descriptor, and the kernel will have said so.
template <class Describe>
wakeup park_on_all(green& g, unsigned count, core::nanoseconds until, Describe&& describe) noexcept {
  machine& m = the_machine();
  waiter_array waiters{count};
  if (!waiters) return wakeup::none;
  prepare_park(g);
  bool waitable = true;
  bool short_of_room = false;
  for (unsigned i = 0; i < count && waitable; ++i) {
    core::io_waiter& w = waiters[i];
    w.owner = &g;
    describe(i, w.fd, w.wanted);
    if (w.fd < 0) continue;
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
  if (waitable) why = park(g, look < until ? look : until, park_reason::poll, true);
  if (why == wakeup::timeout && look < until) why = wakeup::event;
  for (unsigned i = 0; i < count; ++i)
    if (waiters[i].linked()) m.reactor.remove(waiters[i]);
  return why;
}

/// The loop of all three: ask, park, ask again. `blocked` if it is known beforehand that
/// the first answer would be "nothing".
template <class Ask, class Park>
long ask_and_park(const time_limit& limit, bool blocked, Ask&& ask, Park&& park_all) noexcept {
  for (bool first = true;; first = false) {
    if (!first || !blocked || limit.none) {
      const long ready = ask();
      if (ready != 0 || limit.none) return ready;
    }
    switch (park_all()) {
      case wakeup::timeout: return ask();
      case wakeup::signal: return restart_unless_handled;
      case wakeup::none: return pass_to_kernel;
      default: break;
    }
  }
}

/// Whether `fd` is known to be ready for none of `wanted`: some call found that, and no
/// event came since.
bool known_blocked(int fd, core::io_events wanted) noexcept {
  return (wanted == core::io_in || wanted == core::io_out) &&
         !the_machine().reactor.maybe_ready(fd, wanted);
}

long poll_parked(green& g, pollfd* fds, unsigned count, const time_limit& limit) noexcept {
  const bool blocked =
      count == 1 && fds[0].fd >= 0 && known_blocked(fds[0].fd, edges_of(fds[0].events));
  return ask_and_park(
      limit, blocked, [&] { return raw_syscall(SYS_poll, fds, count, 0); },
      [&] {
        return park_on_all(g, count, limit.until, [&](unsigned i, int& fd, core::io_events& w) {
          fd = fds[i].fd;
          w = edges_of(fds[i].events);
        });
      });
}

long on_poll(green& g, syscall_frame& f) noexcept {
  return poll_parked(g, pointer<pollfd>(f.rdi), static_cast<unsigned>(f.rsi),
                     limit_of(g, span_of_milliseconds(number(f.rdx))));
}

/// Linux writes back what is left of a relative time-out.
void write_back(timespec* time, core::nanoseconds until) noexcept {
  if (!time) return;
  core::nanoseconds left = until - core::monotonic_now();
  if (left < 0) left = 0;
  *time = {left / 1'000'000'000, left % 1'000'000'000};
}

long on_ppoll(green& g, syscall_frame& f) noexcept {
  auto* time = pointer<timespec>(f.rdx);
  const core::nanoseconds span = time ? span_of(*time) : core::never;
  if (span < 0) return span;
  if (f.r10 && f.r8 != 8) return -EINVAL;
  const time_limit limit = limit_of(g, span);
  mask_for_call mask{g, pointer<std::uint64_t>(f.r10)};
  const long result =
      mask.done(poll_parked(g, pointer<pollfd>(f.rdi), static_cast<unsigned>(f.rsi), limit));
  if (span != core::never && result != pass_to_kernel) write_back(time, limit.until);
  return result;
}

/// The three sets of select as the kernel lays them out.
struct select_sets {
  static constexpr unsigned words_max = 1024 / 64;  // FD_SETSIZE
  unsigned count;
  std::uint64_t* given[3];
  std::uint64_t asked[3][words_max];

  [[nodiscard]] unsigned words() const noexcept { return (count + 63) / 64; }
  void remember() noexcept {
    for (int s = 0; s < 3; ++s)
      for (unsigned i = 0; i < words(); ++i) asked[s][i] = given[s] ? given[s][i] : 0;
  }
  void put_back() noexcept {
    for (int s = 0; s < 3; ++s)
      for (unsigned i = 0; given[s] && i < words(); ++i) given[s][i] = asked[s][i];
  }
  [[nodiscard]] core::io_events wanted(unsigned fd) const noexcept {
    const std::uint64_t bit = std::uint64_t{1} << (fd % 64);
    core::io_events w = 0;
    if (asked[0][fd / 64] & bit) w |= core::io_in;
    if (asked[1][fd / 64] & bit) w |= core::io_out;
    if (asked[2][fd / 64] & bit) w |= core::io_priority;
    return w;
  }
};

long select_parked(green& g, select_sets& sets, const time_limit& limit) noexcept {
  sets.remember();
  int fds[select_sets::words_max * 64];
  unsigned used = 0;
  for (unsigned fd = 0; fd < sets.count; ++fd)
    if (sets.wanted(fd)) fds[used++] = static_cast<int>(fd);
  const bool blocked =
      used == 1 && known_blocked(fds[0], sets.wanted(static_cast<unsigned>(fds[0])));
  return ask_and_park(
      limit, blocked,
      [&] {
        timespec zero{0, 0};
        sets.put_back();
        return raw_syscall(SYS_pselect6, sets.count, sets.given[0], sets.given[1], sets.given[2],
                           &zero, nullptr);
      },
      [&] {
        sets.put_back();
        return park_on_all(g, used, limit.until, [&](unsigned i, int& fd, core::io_events& w) {
          fd = fds[i];
          w = sets.wanted(static_cast<unsigned>(fd));
        });
      });
}

/// Larger sets than fd_set's 1024 are the kernel's own business.
bool fits(const syscall_frame& f) noexcept { return f.rdi <= select_sets::words_max * 64; }

select_sets sets_of(const syscall_frame& f) noexcept {
  return {static_cast<unsigned>(f.rdi),
          {pointer<std::uint64_t>(f.rsi), pointer<std::uint64_t>(f.rdx),
           pointer<std::uint64_t>(f.r10)},
          {}};
}

long on_pselect6(green& g, syscall_frame& f) noexcept {
  if (!fits(f)) return pass_to_kernel;
  auto* time = pointer<timespec>(f.r8);
  const core::nanoseconds span = time ? span_of(*time) : core::never;
  if (span < 0) return span;
  struct argument {
    const std::uint64_t* mask;
    std::uint64_t size;
  };
  const auto* last = pointer<argument>(f.r9);
  const std::uint64_t* set = last ? last->mask : nullptr;
  if (set && last->size != 8) return -EINVAL;
  const time_limit limit = limit_of(g, span);
  select_sets sets = sets_of(f);
  mask_for_call mask{g, set};
  const long result = mask.done(select_parked(g, sets, limit));
  if (span != core::never && result != pass_to_kernel) write_back(time, limit.until);
  return result;
}

long on_select(green& g, syscall_frame& f) noexcept {
  if (!fits(f)) return pass_to_kernel;
  struct kernel_timeval {
    long seconds, microseconds;
  };
  auto* time = pointer<kernel_timeval>(f.r8);
  core::nanoseconds span = core::never;
  if (time) {
    if (time->seconds < 0 || time->microseconds < 0) return -EINVAL;
    // Linux carries what is over a second.
    timespec t{time->seconds + time->microseconds / 1'000'000,
               time->microseconds % 1'000'000 * 1000};
    span = span_of(t);
  }
  const time_limit limit = limit_of(g, span);
  select_sets sets = sets_of(f);
  const long result = select_parked(g, sets, limit);
  if (span != core::never && result != pass_to_kernel) {
    timespec left;
    write_back(&left, limit.until);
    *time = {left.tv_sec, left.tv_nsec / 1000};
  }
  return result;
}

long epoll_parked(green& g, int epoll, epoll_event* events, int capacity,
                  const time_limit& limit) noexcept {
  return ask_and_park(
      limit, false,
      [&] { return raw_syscall(SYS_epoll_pwait, epoll, events, capacity, 0, nullptr, 8); },
      [&] {
        return park_on_all(g, 1, limit.until, [&](unsigned, int& fd, core::io_events& w) {
          fd = epoll;
          w = core::io_in;
        });
      });
}

long on_epoll_wait(green& g, syscall_frame& f) noexcept {
  return epoll_parked(g, number(f.rdi), pointer<epoll_event>(f.rsi), number(f.rdx),
                      limit_of(g, span_of_milliseconds(number(f.r10))));
}

long on_epoll_pwait(green& g, syscall_frame& f) noexcept {
  if (f.r8 && f.r9 != 8) return -EINVAL;
  const time_limit limit = limit_of(g, span_of_milliseconds(number(f.r10)));
  mask_for_call mask{g, pointer<std::uint64_t>(f.r8)};
  return mask.done(
      epoll_parked(g, number(f.rdi), pointer<epoll_event>(f.rsi), number(f.rdx), limit));
}

long on_epoll_pwait2(green& g, syscall_frame& f) noexcept {
  if (f.r8 && f.r9 != 8) return -EINVAL;
  const auto* time = pointer<timespec>(f.r10);
  const core::nanoseconds span = time ? span_of(*time) : core::never;
  if (span < 0) return span;
  const time_limit limit = limit_of(g, span);
  mask_for_call mask{g, pointer<std::uint64_t>(f.r8)};
  return mask.done(
      epoll_parked(g, number(f.rdi), pointer<epoll_event>(f.rsi), number(f.rdx), limit));
}

constexpr call_entry entries[] = {
    {SYS_poll, virtual_when::active, on_poll},
    {SYS_ppoll, virtual_when::active, on_ppoll},
    {SYS_select, virtual_when::active, on_select},
    {SYS_pselect6, virtual_when::active, on_pselect6},
    {SYS_epoll_wait, virtual_when::active, on_epoll_wait},
    {SYS_epoll_pwait, virtual_when::active, on_epoll_pwait},
    {SYS_epoll_pwait2, virtual_when::active, on_epoll_pwait2},
};

}  // namespace

const call_family poll_calls{entries, sizeof entries / sizeof *entries};

}  // namespace weft::patch

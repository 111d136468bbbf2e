// SPDX-License-Identifier: BSL-1.0
//
// select and pselect.
#include <errno.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "patch/calls/ask_and_park.hpp"

namespace weft::patch {
namespace {

/// What the three sets of select mean in terms of poll, as Linux has it.
constexpr short set_events[3] = {
    POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR | POLLNVAL,
    POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR | POLLNVAL,
    POLLPRI | POLLNVAL,
};
constexpr short asked_events[3] = {POLLIN, POLLOUT, POLLPRI};

/// The three sets of select as the kernel lays them out.
struct select_sets {
  static constexpr unsigned words_max = 1024 / 64; // FD_SETSIZE
  unsigned count;
  std::uint64_t* given[3];
  std::uint64_t asked[3][words_max];

  [[nodiscard]] unsigned words() const noexcept { return (count + 63) / 64; }
  [[nodiscard]] bool remember() noexcept {
    for (int s = 0; s < 3; ++s)
      if (given[s] && !copy_from_user(asked[s], given[s], words() * sizeof(std::uint64_t)))
        return false;
    return true;
  }
  [[nodiscard]] bool put_back() noexcept { return write(asked); }
  [[nodiscard]] static std::uint64_t bit(unsigned fd) noexcept {
    return std::uint64_t{1} << (fd % 64);
  }
  [[nodiscard]] short wanted(unsigned fd) const noexcept {
    short events = 0;
    for (int s = 0; s < 3; ++s)
      if (fd < count && (asked[s][fd / 64] & bit(fd)))
        events = static_cast<short>(events | asked_events[s]);
    return events;
  }
  /// The sets as they are to be returned; how many bits are in them.
  long answer(const pollfd* fds, unsigned used) noexcept {
    std::uint64_t ready[3][words_max] = {};
    long bits = 0;
    for (unsigned i = 0; i < used; ++i) {
      const auto fd = static_cast<unsigned>(fds[i].fd);
      for (int s = 0; s < 3; ++s) {
        if (!(asked[s][fd / 64] & bit(fd)) || !(fds[i].revents & set_events[s])) continue;
        ready[s][fd / 64] |= bit(fd);
        ++bits;
      }
    }
    return write(ready) ? bits : -EFAULT;
  }

 private:
  [[nodiscard]] bool write(const std::uint64_t (&sets)[3][words_max]) noexcept {
    for (int s = 0; s < 3; ++s)
      if (given[s] && !copy_to_user(given[s], sets[s], words() * sizeof(std::uint64_t)))
        return false;
    return true;
  }
};

/// Asked by select itself the first time, which knows what is wrong with the sets; from then on
/// by poll, since a descriptor that is closed meanwhile counts as ready.
long select_parked(green& g, select_sets& sets, const time_limit& limit) noexcept {
  if (!sets.remember()) return -EFAULT;
  unsigned used = 0;
  for (unsigned fd = 0; fd < sets.count; ++fd)
    if (sets.wanted(fd)) ++used;
  call_array<pollfd> fds{used};
  if (!fds) return -ENOMEM;
  unsigned at = 0;
  for (unsigned fd = 0; fd < sets.count; ++fd)
    if (const short events = sets.wanted(fd)) fds[at++] = {static_cast<int>(fd), events, 0};
  const bool blocked =
      used == 1 && known_blocked(fds[0].fd, static_cast<core::io_events>(fds[0].events));
  bool first = true;
  const long result = ask_and_park(
      g, limit, blocked,
      [&] {
        if (!first) {
          const long ready = raw_syscall(SYS_poll, fds.data(), used, 0);
          return is_error(ready) ? ready : sets.answer(fds.data(), used);
        }
        timespec zero{0, 0};
        const long ready = raw_syscall(SYS_pselect6, sets.count, sets.given[0], sets.given[1],
                                       sets.given[2], &zero, nullptr);
        return ready;
      },
      [&] {
        first = false;
        return park_on_all(g, used, limit.until, [&](unsigned i, int& fd, core::io_events& w) {
          fd = fds[i].fd;
          w = static_cast<core::io_events>(fds[i].events);
        });
      });
  if (result < 0) (void)sets.put_back();
  return result;
}

/// Larger sets than fd_set's 1024 are the kernel's own business.
bool fits(const syscall_frame& f) noexcept {
  return f.rdi <= select_sets::words_max * 64;
}

select_sets sets_of(const syscall_frame& f) noexcept {
  return {
      static_cast<unsigned>(f.rdi),
      {pointer<std::uint64_t>(f.rsi), pointer<std::uint64_t>(f.rdx), pointer<std::uint64_t>(f.r10)},
      {}};
}

long on_pselect6(green& g, syscall_frame& f) noexcept {
  if (!fits(f)) return pass_to_kernel;
  auto* time = pointer<timespec>(f.r8);
  const core::nanoseconds span = time ? span_of(time) : core::never;
  if (span < 0) return span;
  struct argument {
    const std::uint64_t* mask;
    std::uint64_t size;
  };
  argument last{};
  if (f.r9 && !get_user(last, pointer<argument>(f.r9))) return -EFAULT;
  given_mask given;
  if (const long bad = given.read(last.mask, last.size)) return bad;
  if (left_to_kernel(g, given.get())) return pass_to_kernel;
  const time_limit limit = limit_of(g, span);
  select_sets sets = sets_of(f);
  mask_for_call mask{g, given.get()};
  const long result = mask.done(select_parked(g, sets, limit));
  // Linux writes back what is left of a relative time-out.
  if (time && span != core::never && result != pass_to_kernel)
    (void)put_user(time, time_left(limit.until));
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
    kernel_timeval given;
    if (!get_user(given, time)) return -EFAULT;
    if (given.seconds < 0 || given.microseconds < 0) return -EINVAL;
    // Linux carries what is over a second.
    timespec t{given.seconds + given.microseconds / 1'000'000,
               given.microseconds % 1'000'000 * 1000};
    span = span_of(t);
  }
  const time_limit limit = limit_of(g, span);
  select_sets sets = sets_of(f);
  const long result = select_parked(g, sets, limit);
  if (span != core::never && result != pass_to_kernel) {
    const timespec left = time_left(limit.until);
    (void)put_user(time, kernel_timeval{left.tv_sec, left.tv_nsec / 1000});
  }
  return result;
}

constexpr call_entry entries[] = {
    {SYS_select, virtual_when::active, on_select},
    {SYS_pselect6, virtual_when::always, on_pselect6},
};

} // namespace

const call_family select_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

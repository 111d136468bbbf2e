// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "runtime/core/sys.hpp"
#include "runtime/io/operation.hpp"
#include "runtime/io/wait_many.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/io.hpp"

namespace weft::io {
namespace {

constexpr core::nanoseconds second = 1'000'000'000;

deadline in_milliseconds(int span) noexcept {
  return span < 0 ? deadline::never() : deadline(std::chrono::milliseconds(span));
}

/// What the reactor knows that follows from each of poll's bits: an end of input makes readable.
core::io_events events_to_wait_for(short events) noexcept {
  core::io_events wanted = 0;
  if (events & (POLLIN | POLLRDNORM | POLLRDBAND | POLLRDHUP)) wanted |= core::io_in;
  if (events & (POLLPRI | POLLRDBAND)) wanted |= core::io_priority;
  if (events & (POLLOUT | POLLWRNORM | POLLWRBAND)) wanted |= core::io_out;
  return wanted;
}

/// Looks until something is there or `end` comes, parking in between. `look()` is the call with
/// a time-out of zero; `begin` announces the descriptors to a wait_many.
template <class Begin, class Look>
int look_and_wait(hub& h, std::size_t count, core::nanoseconds end, detail::blocking_call call,
                  Begin begin, Look look) {
  wait_many many(h, count);
  while (true) {
    begin(many);
    const int found = look();
    if (found != 0 || end == 0) return found;
    const int failed = many.wait(end, call);
    if (failed == -ETIMEDOUT) return look();
    if (failed < 0) return static_cast<int>(posix_result(failed));
  }
}

const timespec* span_until(core::nanoseconds end, timespec& span) noexcept {
  if (end == core::never) return nullptr;
  const core::nanoseconds left =
      end == 0 ? 0 : std::max<core::nanoseconds>(end - core::monotonic_now(), 0);
  span = {.tv_sec = left / second, .tv_nsec = left % second};
  return &span;
}

struct watched {
  int fd;
  core::io_events events;
};

/// A set of select's with room for as many numbers as are asked about.
class number_set {
 public:
  number_set(const fd_set* given, int count) : words_(words_for(count)) {
    if (given) std::memcpy(words_.data(), given, words_.size() * sizeof(fd_mask));
  }
  [[nodiscard]] bool has(int n) const noexcept {
    const auto index = static_cast<unsigned>(n);
    return (words_[index / bits] >> (index % bits) & 1) != 0;
  }
  void store(fd_set* to) const noexcept {
    if (to) std::memcpy(to, words_.data(), words_.size() * sizeof(fd_mask));
  }
  [[nodiscard]] fd_set* get() noexcept { return reinterpret_cast<fd_set*>(words_.data()); }

 private:
  static constexpr unsigned bits = 8 * sizeof(fd_mask);
  static std::size_t words_for(int count) noexcept {
    return (static_cast<unsigned>(count) + bits - 1) / bits;
  }
  std::vector<fd_mask> words_;
};

} // namespace

int poll(pollfd* descriptors, nfds_t count, int milliseconds) {
  return poll(descriptors, count, in_milliseconds(milliseconds));
}

int poll(pollfd* descriptors, nfds_t count, deadline until) {
  hub* h = detail::this_hub;
  if (h) h->switch_point();
  const core::nanoseconds end = until.absolute();
  if (!h) {
    timespec span;
    return ::ppoll(descriptors, count, span_until(end, span), nullptr);
  }
  if (end == 0) return ::poll(descriptors, count, 0);
  return look_and_wait(
      *h, count, end, detail::blocking_call::io_poll,
      [&](wait_many& many) {
        for (nfds_t i = 0; i < count; ++i)
          many.begin(i, descriptors[i].fd, events_to_wait_for(descriptors[i].events));
      },
      [&] { return ::poll(descriptors, count, 0); });
}

int select(int count, fd_set* to_read, fd_set* to_write, fd_set* exceptional, timeval* timeout) {
  if (!timeout) return select(count, to_read, to_write, exceptional, deadline::never());
  if (timeout->tv_sec < 0 || timeout->tv_usec < 0) {
    errno = EINVAL;
    return -1;
  }
  const core::nanoseconds begun = core::monotonic_now();
  const auto span =
      std::chrono::seconds(timeout->tv_sec) + std::chrono::microseconds(timeout->tv_usec);
  const int found = select(count, to_read, to_write, exceptional, deadline(span));
  const auto asked = std::chrono::duration_cast<std::chrono::microseconds>(span).count();
  const auto left = std::max<std::int64_t>(asked - (core::monotonic_now() - begun) / 1000, 0);
  timeout->tv_sec = left / 1'000'000;
  timeout->tv_usec = left % 1'000'000;
  return found;
}

int select(int count, fd_set* to_read, fd_set* to_write, fd_set* exceptional, deadline until) {
  hub* h = detail::this_hub;
  if (h) h->switch_point();
  const core::nanoseconds end = until.absolute();
  if (!h || end == 0 || count < 0) {
    timespec span;
    return ::pselect(count, to_read, to_write, exceptional, span_until(end, span), nullptr);
  }
  const number_set read_asked(to_read, count), write_asked(to_write, count),
      exceptional_asked(exceptional, count);
  std::vector<watched> all;
  for (int n = 0; n < count; ++n) {
    core::io_events events = 0;
    if (read_asked.has(n)) events |= core::io_in;
    if (write_asked.has(n)) events |= core::io_out;
    if (exceptional_asked.has(n)) events |= core::io_priority;
    if (events != 0) all.push_back({n, events});
  }
  number_set read_found(nullptr, count), write_found(nullptr, count),
      exceptional_found(nullptr, count);
  const int found = look_and_wait(
      *h, all.size(), end, detail::blocking_call::io_select,
      [&](wait_many& many) {
        for (std::size_t i = 0; i < all.size(); ++i)
          many.begin(i, all[i].fd, all[i].events);
      },
      [&] {
        read_found = read_asked;
        write_found = write_asked;
        exceptional_found = exceptional_asked;
        timeval zero{};
        return ::select(count, read_found.get(), write_found.get(), exceptional_found.get(), &zero);
      });
  if (found < 0) return found;
  read_found.store(to_read);
  write_found.store(to_write);
  exceptional_found.store(exceptional);
  return found;
}

int epoll_wait(int epoll, epoll_event* events, int capacity, int milliseconds) {
  return epoll_wait(epoll, events, capacity, in_milliseconds(milliseconds));
}

int epoll_wait(int epoll, epoll_event* events, int capacity, deadline until) {
  hub* h = detail::this_hub;
  if (h) h->switch_point();
  const core::nanoseconds end = until.absolute();
  if (!h || end == 0)
    return static_cast<int>(posix_result(core::sys::epoll_wait(epoll, events, capacity, end)));
  return look_and_wait(
      *h, 1, end, detail::blocking_call::io_epoll_wait,
      [&](wait_many& many) { many.begin(0, epoll, core::io_in); },
      [&] { return ::epoll_wait(epoll, events, capacity, 0); });
}

} // namespace weft::io

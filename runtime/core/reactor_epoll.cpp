// SPDX-License-Identifier: BSL-1.0
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>

#include "runtime/core/reactor.hpp"
#include "runtime/core/sys.hpp"

namespace weft::core {
namespace {

static_assert(io_in == EPOLLIN && io_priority == EPOLLPRI && io_out == EPOLLOUT &&
              io_error == EPOLLERR && io_hangup == EPOLLHUP && io_read_hangup == EPOLLRDHUP);

constexpr io_events wakes_everyone = io_error | io_hangup;
// Of those that are ready the kernel has just touched the sockets, and `harvest` the waiters: both
// are to be in the caches still when the last of them runs. With 256 at a look an echo server's
// request took 2 to 5 % more with 1000 connections, 11 % with 8000; with 24, 5 %.
constexpr int most_at_a_look = 64;
// No descriptor has number -1, nor -2.
constexpr std::uint64_t interrupt_mark = UINT64_MAX;
constexpr std::uint64_t watched_mark = UINT64_MAX - 1;

std::uint64_t mark_of(int fd, const descriptor& d) noexcept {
  return std::uint64_t{d.generation} << 32 | static_cast<std::uint32_t>(fd);
}

epoll_event interest_in(int fd, const descriptor& d) noexcept {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
  event.data.u64 = mark_of(fd, d);
  return event;
}

// What to try again after `events`: a hang-up makes reading return at once, an error all.
io_events made_ready(io_events events) noexcept {
  if (events & wakes_everyone) return io_directions;
  return (events & io_directions) | (events & io_read_hangup ? io_in : 0);
}

void forget_state(descriptor& d) noexcept {
  ++d.generation;
  ++d.changes;
  d.not_ready = d.seen = 0;
  d.registered = false;
  d.type = descriptor::kind::unknown;
  d.notes = 0;
  d.epoch = d.receive_timeout = d.send_timeout = 0;
}

} // namespace

reactor::~reactor() {
  if (event_ >= 0) sys::close(event_);
  if (epoll_ >= 0) sys::close(epoll_);
}

void reactor::find_kind(int fd, descriptor& d) noexcept {
  d.type = sys::is_tcp_stream(fd) ? descriptor::kind::tcp_stream : descriptor::kind::other;
}

int reactor::open_epoll() noexcept {
  if (epoll_ >= 0) return 0;
  const int made = sys::epoll_create();
  if (made < 0) return made;
  epoll_ = made;
  return 0;
}

int reactor::register_descriptor(int fd, descriptor& d) noexcept {
  if (const int failed = open_epoll(); failed < 0) return failed;
  epoll_event event = interest_in(fd, d);
  int result = sys::epoll_control(epoll_, EPOLL_CTL_ADD, fd, &event);
  // The same open file under the same number again, after dup2 went there and back.
  if (result == -EEXIST) result = sys::epoll_control(epoll_, EPOLL_CTL_MOD, fd, &event);
  d.registered = result >= 0;
  d.number = fd;
  return result;
}

/// Modifying makes the kernel report what is ready as a new event.
int reactor::look_again(int fd, descriptor& d) noexcept {
  epoll_event event = interest_in(fd, d);
  const int result = sys::epoll_control(epoll_, EPOLL_CTL_MOD, fd, &event);
  if (result != -ENOENT) return result;
  // Closed behind our back, and the number is another file's now. Who waits for it waits for
  // that one, for all that can be known.
  forget_state(d);
  return register_descriptor(fd, d);
}

int reactor::add(io_waiter& w) noexcept {
  if (w.fd < 0) return -EBADF;
  if (static_cast<std::size_t>(w.fd) >= sparse_table<descriptor>::capacity) return -ENOSPC;
  descriptor* d = table_.touch(w.fd);
  return d ? add(w, *d) : -ENOMEM;
}

int reactor::add(io_waiter& w, descriptor& d) noexcept {
  if (!d.registered) {
    if (const int failed = register_descriptor(w.fd, d); failed < 0) return failed;
  } else if (!w.only_new &&
             ((w.wanted & ~(io_directions & d.not_ready)) != 0 || w.wanted == 0 || d.seen != 0)) {
    // The edge may be behind us: it came between the caller's try and now, or nobody tried. What
    // was seen to end may have been closed since: then the kernel says so.
    if (const int failed = look_again(w.fd, d); failed < 0) return failed;
  }
  if (!d.unverified) {
    d.unverified = true;
    d.next_unverified = young_;
    young_ = &d;
  }
  w.came = 0;
  d.waiters.push_back(w);
  ++waiters_;
  return 0;
}

void reactor::remove(io_waiter& w) noexcept {
  if (!w.linked()) return;
  w.unlink();
  --waiters_;
}

void reactor::forget(int fd, io_events event) noexcept {
  descriptor* d = table_.find(fd);
  if (!d) return;
  if (d->registered) {
    epoll_event unused{}; // Linux before 2.6.9 wanted one
    sys::epoll_control(epoll_, EPOLL_CTL_DEL, fd, &unused);
  }
  forget_state(*d);
  wake_all(*d, event);
}

void reactor::wake_all(descriptor& d, io_events came) noexcept {
  while (!d.waiters.empty()) {
    io_waiter& w = d.waiters.pop_front();
    --waiters_;
    w.came = came;
    wake_(w);
  }
}

// Nothing is taken out of the set: the number may be another file's by now, and a registration
// that lives on is modified when the number is registered again.
void reactor::renew(int fd) noexcept {
  descriptor* d = table_.find(fd);
  if (!d) return;
  forget_state(*d);
  wake_all(*d, 0);
}

void reactor::audit() noexcept {
  descriptor* next = old_;
  old_ = young_;
  young_ = nullptr;
  for (descriptor* d = old_; d; d = d->next_unverified)
    d->changes_then = d->changes;
  while (next) {
    descriptor& d = *next;
    next = d.next_unverified;
    if (d.changes != d.changes_then && !d.waiters.empty()) {
      d.next_unverified = young_;
      young_ = &d;
      continue;
    }
    d.unverified = false;
    if (d.waiters.empty() || !d.registered) continue;
    if (look_again(d.number, d) < 0) {
      forget_state(d);
      wake_all(d, 0);
    }
  }
}

int reactor::poll(nanoseconds deadline) noexcept {
  if (epoll_ < 0 && deadline == 0) return 0;
  if (const int failed = open_epoll(); failed < 0) return failed;
  batch found;
  const int count = wait(found, deadline, most_at_a_look);
  return count < 0 ? count : harvest(found);
}

int reactor::wait(batch& found, nanoseconds deadline, int most) const noexcept {
  static_assert(sizeof found.entries == sizeof(epoll_event) * batch::most);
  const int count =
      sys::epoll_wait(epoll_, reinterpret_cast<epoll_event*>(found.entries), most, deadline);
  found.count = count < 0 ? 0 : count;
  found.interrupted = false;
  for (int i = 0; i < found.count; ++i)
    found.interrupted |= found.entries[i].mark == interrupt_mark;
  return count;
}

/// Wakes whom the events are for, some at a time: where thousands wait, an event is three misses of
/// the cache one after another (what is known of the descriptor, who waits for it, whose that is),
/// and those of several events can be waited for at once.
int reactor::harvest(const batch& found) noexcept {
  constexpr int at_once = 16;
  int woken = 0;
  for (int begin = 0; begin < found.count; begin += at_once) {
    const int count = std::min(found.count - begin, at_once);
    descriptor* of[at_once];
    for (int i = 0; i < count; ++i) {
      const std::uint64_t mark = found.entries[begin + i].mark;
      of[i] = mark >= watched_mark ? nullptr : table_.find(static_cast<int>(mark & UINT32_MAX));
      __builtin_prefetch(of[i], 1);
    }
    for (int i = 0; i < count; ++i)
      if (of[i]) of[i]->waiters.fetch_front();
    for (int i = 0; i < count; ++i)
      if (of[i] && !of[i]->waiters.empty()) __builtin_prefetch(of[i]->waiters.front().owner, 1);
    for (int i = 0; i < count; ++i)
      woken += note(found.entries[begin + i].mark, found.entries[begin + i].events, of[i]);
  }
  return woken;
}

int reactor::note(std::uint64_t mark, io_events came, descriptor* d) noexcept {
  if (!d) {
    if (mark == watched_mark) wake_(*watched_); // edge-triggered: nothing to take back
    return 0;
  }
  // Of an earlier file of this number, which a dup or a child keeps in the set.
  if (!d->registered || mark != mark_of(static_cast<int>(mark & UINT32_MAX), *d)) return 0;
  ++d->changes;
  d->not_ready &= ~made_ready(came);
  d->seen |= came & (wakes_everyone | io_read_hangup | io_priority);
  int woken = 0;
  d->waiters.for_each([&](io_waiter& w) {
    const io_events relevant = came & (w.wanted | wakes_everyone);
    if (relevant == 0) return;
    remove(w);
    w.came = relevant;
    ++woken;
    wake_(w);
  });
  return woken;
}

int reactor::prepare_interrupt() noexcept {
  if (event_ >= 0) return 0;
  if (const int failed = open_epoll(); failed < 0) return failed;
  const int made = sys::event_create();
  if (made < 0) return made;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = interrupt_mark;
  if (const int failed = sys::epoll_control(epoll_, EPOLL_CTL_ADD, made, &event); failed < 0) {
    sys::close(made);
    return failed;
  }
  event_ = made;
  return 0;
}

int reactor::watch(io_waiter& w) noexcept {
  if (const int failed = open_epoll(); failed < 0) return failed;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = watched_mark;
  if (const int failed = sys::epoll_control(epoll_, EPOLL_CTL_ADD, w.fd, &event); failed < 0)
    return failed;
  watched_ = &w;
  return 0;
}

void reactor::interrupt() noexcept {
  if (event_ >= 0) sys::event_signal(event_);
}

void reactor::reset_after_fork() noexcept {
  if (event_ >= 0) sys::close(event_);
  if (epoll_ >= 0) sys::close(epoll_);
  event_ = epoll_ = -1;
  watched_ = nullptr;
  waiters_ = 0;
  young_ = old_ = nullptr;
  table_.for_each([](int, descriptor& d) {
    d.unverified = false;
    d.users = 0;
    d.waiters.reset();
    forget_state(d);
  });
}

} // namespace weft::core

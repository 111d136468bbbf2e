// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <poll.h>
#include <set>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <vector>

namespace {

using namespace conformance;

struct poller {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  poller() = default;
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;
  ~poller() { close(fd); }

  int control(int operation, int target, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = target;
    return epoll_ctl(fd, operation, target, &event);
  }
  // The descriptors that are ready within the time.
  [[nodiscard]] std::set<int> wait(int milliseconds) const {
    epoll_event events[64];
    std::set<int> ready;
    const int n = epoll_wait(fd, events, 64, milliseconds);
    for (int i = 0; i < n; ++i)
      ready.insert(events[i].data.fd);
    return ready;
  }
};

// Calls wait_for(fd, milliseconds) in a thread: without data, with data at once, with data later.
template <class WaitFor>
void three_time_outs(const char* what, WaitFor wait_for) {
  const pipe_pair pipe;
  std::thread([&] {
    expect_equal(wait_for(pipe.reader, 0), 0, what);
    const stopwatch watch;
    expect_equal(wait_for(pipe.reader, 70), 0, what);
    watch.expect_between(69ms, 8s, what);
  }).join();
  for (const int limit : {-1, 10'000}) {
    std::thread waiter([&] { expect_equal(wait_for(pipe.reader, limit), 1, what); });
    let_others_block();
    expect_equal(write(pipe.writer, "x", 1), 1, "write");
    waiter.join();
    expect_equal(wait_for(pipe.reader, 0), 1, what);
    char byte = 0;
    expect_equal(read(pipe.reader, &byte, 1), 1, "read");
  }
}

timespec time_of(int milliseconds) {
  timespec time{};
  time.tv_sec = milliseconds / 1000;
  time.tv_nsec = milliseconds % 1000 * 1'000'000L;
  return time;
}

void poll_time_outs() {
  three_time_outs("poll", [](int fd, int limit) {
    pollfd entry{fd, POLLIN, 0};
    return poll(&entry, 1, limit);
  });
}

void ppoll_time_outs() {
  three_time_outs("ppoll", [](int fd, int limit) {
    pollfd entry{fd, POLLIN, 0};
    const timespec time = time_of(limit);
    return ppoll(&entry, 1, limit < 0 ? nullptr : &time, nullptr);
  });
}

void select_time_outs() {
  three_time_outs("select", [](int fd, int limit) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    timeval time{limit / 1000, limit % 1000 * 1000};
    const int result = select(fd + 1, &set, nullptr, nullptr, limit < 0 ? nullptr : &time);
    expect_equal(FD_ISSET(fd, &set) ? 1 : 0, result, "the set tells the same");
    return result;
  });
}

void pselect_time_outs() {
  three_time_outs("pselect", [](int fd, int limit) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    const timespec time = time_of(limit);
    return pselect(fd + 1, &set, nullptr, nullptr, limit < 0 ? nullptr : &time, nullptr);
  });
}

void epoll_time_outs() {
  three_time_outs("epoll_wait", [](int fd, int limit) {
    const poller p;
    p.control(EPOLL_CTL_ADD, fd, EPOLLIN);
    return static_cast<int>(p.wait(limit).size());
  });
}

void poll_without_descriptors() {
  std::thread([] {
    const stopwatch watch;
    expect_equal(poll(nullptr, 0, 50), 0, "poll");
    timeval time{0, 50'000};
    expect_equal(select(0, nullptr, nullptr, nullptr, &time), 0, "select");
    watch.expect_between(99ms, 8s, "poll and select as sleeps");
  }).join();
}

void poll_many_descriptors() {
  constexpr std::size_t count = 300;
  std::vector<std::unique_ptr<pipe_pair>> pipes;
  std::vector<pollfd> entries;
  for (std::size_t i = 0; i < count; ++i) {
    pipes.push_back(std::make_unique<pipe_pair>());
    entries.push_back({pipes.back()->reader, POLLIN, 0});
  }
  entries.push_back({-1, POLLIN, 0}); // ignored
  std::thread waiter([&] {
    for (int round = 0; round < 20; ++round) {
      const int n = poll(entries.data(), entries.size(), 10'000);
      expect_equal(n, 1, "one is ready");
      for (pollfd& entry : entries)
        if (entry.revents != 0) {
          char byte = 0;
          expect_equal(read(entry.fd, &byte, 1), 1, "read");
        }
    }
  });
  for (std::size_t round = 0; round < 20; ++round) {
    pipe_pair& pipe = *pipes[round * 97 % count];
    expect_equal(write(pipe.writer, "x", 1), 1, "write");
    wait_until(
        [&] {
          pollfd entry{pipe.reader, POLLIN, 0};
          return poll(&entry, 1, 0) == 0;
        },
        "the byte was read");
  }
  waiter.join();
}

void poll_events_of_all_kinds() {
  pipe_pair pipe;
  tcp_pair tcp;
  pollfd entries[] = {
      {pipe.writer, POLLOUT, 0}, {pipe.reader, POLLIN, 0}, {tcp.left, POLLIN | POLLOUT, 0}};
  std::thread([&] {
    expect_equal(poll(entries, 3, -1), 2, "what can be written");
    expect_equal(entries[0].revents, POLLOUT, "the pipe");
    expect_equal(entries[1].revents, 0, "nothing to read");
    expect_equal(entries[2].revents, POLLOUT, "the socket");
  }).join();
  close_once(pipe.writer);
  close_once(tcp.right);
  entries[0].fd = -1;
  entries[2].events = POLLIN | POLLRDHUP;
  std::thread([&] {
    wait_until([&] { return poll(entries, 3, -1) == 2; }, "both ends are gone");
    expect_equal(entries[1].revents, POLLHUP, "the pipe's writer is gone");
    expect_equal(entries[2].revents, POLLIN | POLLRDHUP, "the socket's peer is gone");
  }).join();
}

void several_pollers_of_one_descriptor() {
  const pipe_pair pipe;
  std::atomic<int> woken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i)
    threads.emplace_back([&] {
      pollfd entry{pipe.reader, POLLIN, 0};
      if (poll(&entry, 1, 20'000) == 1) woken.fetch_add(1);
    });
  let_others_block();
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(woken.load(), 5, "all see it");
}

void epoll_level_and_edge() {
  const pipe_pair pipe;
  const poller level;
  const poller edge;
  level.control(EPOLL_CTL_ADD, pipe.reader, EPOLLIN);
  edge.control(EPOLL_CTL_ADD, pipe.reader, EPOLLIN | EPOLLET);
  std::thread([&] {
    expect_equal(write(pipe.writer, "xy", 2), 2, "write");
    expect_equal(level.wait(-1).size(), 1U, "level");
    expect_equal(level.wait(-1).size(), 1U, "level again");
    expect_equal(edge.wait(-1).size(), 1U, "edge");
    expect_equal(edge.wait(20).size(), 0U, "no second edge");
    expect_equal(write(pipe.writer, "z", 1), 1, "write");
    expect_equal(edge.wait(-1).size(), 1U, "a new edge");
  }).join();
}

void epoll_one_shot() {
  const pipe_pair pipe;
  const poller p;
  expect_equal(p.control(EPOLL_CTL_ADD, pipe.reader, EPOLLIN | EPOLLONESHOT), 0, "add");
  expect_errno(p.control(EPOLL_CTL_ADD, pipe.reader, EPOLLIN), EEXIST, "add twice");
  std::thread waiter([&] {
    expect_equal(p.wait(-1).size(), 1U, "the first event");
    expect_equal(p.wait(30).size(), 0U, "disarmed");
    expect_equal(p.control(EPOLL_CTL_MOD, pipe.reader, EPOLLIN | EPOLLONESHOT), 0, "arm again");
    expect_equal(p.wait(-1).size(), 1U, "the second event");
  });
  let_others_block();
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  waiter.join();
  expect_equal(p.control(EPOLL_CTL_DEL, pipe.reader, 0), 0, "delete");
  expect_errno(p.control(EPOLL_CTL_DEL, pipe.reader, 0), ENOENT, "delete twice");
}

void epoll_changed_while_waiting() {
  const pipe_pair pipe;
  const poller p;
  std::thread waiter([&] { expect_equal(p.wait(10'000).size(), 1U, "an event"); });
  let_others_block();
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  expect_equal(p.control(EPOLL_CTL_ADD, pipe.reader, EPOLLIN), 0, "add while another waits");
  waiter.join();
}

void epoll_nested() {
  const pipe_pair pipe;
  const poller inner;
  const poller outer;
  inner.control(EPOLL_CTL_ADD, pipe.reader, EPOLLIN);
  outer.control(EPOLL_CTL_ADD, inner.fd, EPOLLIN);
  std::thread waiter([&] {
    expect(outer.wait(-1) == std::set<int>{inner.fd}, "the inner one is ready");
    expect(inner.wait(0) == std::set<int>{pipe.reader}, "the pipe is ready");
    pollfd entry{outer.fd, POLLIN, 0};
    expect_equal(poll(&entry, 1, -1), 1, "poll of an epoll");
  });
  let_others_block();
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  waiter.join();
}

void epoll_shared_by_threads() {
  const poller p;
  const int counter = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE | EFD_NONBLOCK);
  p.control(EPOLL_CTL_ADD, counter, EPOLLIN);
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      while (taken.load() < 100) {
        if (p.wait(50).empty()) continue;
        eventfd_t value = 0;
        if (eventfd_read(counter, &value) == 0) taken.fetch_add(1);
      }
    });
  for (int i = 0; i < 100; ++i) {
    eventfd_write(counter, 1);
    if (i % 10 == 0) usleep(1000);
  }
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(taken.load(), 100, "each taken once");
  close(counter);
}

void select_reads_and_writes() {
  const tcp_pair pair;
  std::thread waiter([&] {
    fd_set readable;
    fd_set writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(pair.left, &readable);
    FD_SET(pair.left, &writable);
    expect_equal(select(pair.left + 1, &readable, &writable, nullptr, nullptr), 1, "select");
    expect(!FD_ISSET(pair.left, &readable) && FD_ISSET(pair.left, &writable), "only writable");
    FD_ZERO(&readable);
    FD_SET(pair.left, &readable);
    timeval limit{20, 0};
    expect_equal(select(pair.left + 1, &readable, nullptr, nullptr, &limit), 1, "select");
    expect(limit.tv_sec < 20, "Linux's select tells the rest of the time");
  });
  let_others_block();
  expect_equal(send(pair.right, "x", 1, 0), 1, "send");
  waiter.join();
  fd_set set;
  FD_ZERO(&set);
  FD_SET(999, &set);
  timeval none{0, 0};
  expect_errno(select(1000, &set, nullptr, nullptr, &none), EBADF, "select of a closed descriptor");
}

// A file is always ready to be read, and never has urgent data: it is not waited for.
void select_with_a_file_among_them() {
  const pipe_pair pipe;
  int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  std::thread waiter([&] {
    fd_set readable;
    fd_set urgent;
    FD_ZERO(&readable);
    FD_ZERO(&urgent);
    FD_SET(pipe.reader, &readable);
    FD_SET(file, &urgent);
    timeval limit{10, 0};
    const int all = std::max(pipe.reader, file) + 1;
    expect_equal(select(all, &readable, nullptr, &urgent, &limit), 1, "select");
    expect(FD_ISSET(pipe.reader, &readable) != 0, "the pipe");
  });
  let_others_block();
  expect_equal(write(pipe.writer, "x", 1), 1, "write");
  waiter.join();
  close_once(file);
}

const checks registered{
    {"poll_time_outs", poll_time_outs},
    {"ppoll_time_outs", ppoll_time_outs},
    {"select_time_outs", select_time_outs},
    {"pselect_time_outs", pselect_time_outs},
    {"epoll_time_outs", epoll_time_outs},
    {"poll_without_descriptors", poll_without_descriptors},
    {"poll_many_descriptors", poll_many_descriptors},
    {"poll_events_of_all_kinds", poll_events_of_all_kinds},
    {"several_pollers_of_one_descriptor", several_pollers_of_one_descriptor},
    {"epoll_level_and_edge", epoll_level_and_edge},
    {"epoll_one_shot", epoll_one_shot},
    {"epoll_changed_while_waiting", epoll_changed_while_waiting},
    {"epoll_nested", epoll_nested},
    {"epoll_shared_by_threads", epoll_shared_by_threads},
    {"select_reads_and_writes", select_reads_and_writes},
    {"select_with_a_file_among_them", select_with_a_file_among_them},
};

} // namespace

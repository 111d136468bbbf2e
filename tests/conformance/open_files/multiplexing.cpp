// SPDX-License-Identifier: BSL-1.0
// poll and select on very many descriptors; epoll's flags, nested and shared.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <vector>

namespace {

using namespace conformance;

struct counters {
  explicit counters(int count) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 20'000);
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; ++i)
      fds.push_back(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }
  counters(const counters&) = delete;
  counters& operator=(const counters&) = delete;
  ~counters() {
    for (const int fd : fds)
      close(fd);
  }
  std::vector<int> fds;
};

void poll_on_thousands() {
  const counters all(3000);
  std::thread waiter([&] {
    std::vector<pollfd> entries;
    for (const int fd : all.fds)
      entries.push_back({fd, POLLIN, 0});
    std::size_t seen = 0;
    for (int round = 0; round < 20; ++round) {
      expect(poll(entries.data(), entries.size(), 20'000) >= 1, "poll");
      for (pollfd& entry : entries)
        if (entry.revents == POLLIN) {
          eventfd_t value = 0;
          eventfd_read(entry.fd, &value);
          seen += value;
        }
      if (seen == 20) break;
    }
    expect_equal(seen, 20U, "each event once");
    expect_equal(poll(entries.data(), entries.size(), 30), 0, "and no more");
  });
  for (std::size_t i = 0; i < 20; ++i) {
    usleep(5000);
    eventfd_write(all.fds[(i * 733) % all.fds.size()], 1);
  }
  waiter.join();
}

void poll_beyond_the_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  std::thread([&] {
    std::vector<pollfd> entries(limit.rlim_cur + 1, pollfd{-1, 0, 0});
    expect_errno(poll(entries.data(), entries.size(), 0), EINVAL, "more than there can be");
  }).join();
}

void select_on_a_thousand() {
  const counters all(900);
  std::thread waiter([&] {
    for (int round = 0; round < 3; ++round) {
      fd_set set;
      FD_ZERO(&set);
      int highest = 0;
      for (const int fd : all.fds)
        if (fd < FD_SETSIZE) {
          FD_SET(fd, &set);
          highest = std::max(highest, fd);
        }
      expect_equal(select(highest + 1, &set, nullptr, nullptr, nullptr), 1, "select");
      for (const int fd : all.fds)
        if (fd < FD_SETSIZE && FD_ISSET(fd, &set)) {
          eventfd_t value = 0;
          expect_equal(eventfd_read(fd, &value), 0, "read");
        }
    }
  });
  for (std::size_t i = 0; i < 3; ++i) {
    let_others_block();
    eventfd_write(all.fds[i * 300], 1);
  }
  waiter.join();
}

// Only in the third set: what ends the others' waiting does not end this.
void select_for_urgent_data_only() {
  tcp_pair pair;
  std::thread waiter([&] {
    fd_set urgent;
    FD_ZERO(&urgent);
    FD_SET(pair.right, &urgent);
    timeval limit{0, 300'000};
    const stopwatch watch;
    expect_equal(select(pair.right + 1, nullptr, nullptr, &urgent, &limit), 0, "select");
    watch.expect_between(290ms, 10s, "the time limit");
  });
  let_others_block();
  close_once(pair.left);
  waiter.join();
}

// Several wait in one epoll; each event wakes some, and none is lost.
void edges_of_one_epoll() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const counters all(8);
  for (const int fd : all.fds) {
    epoll_event interest{EPOLLIN | EPOLLET, {.fd = fd}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest);
  }
  std::atomic<int> seen{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (;;) {
        epoll_event event{};
        if (epoll_wait(epoll, &event, 1, 400) != 1) return;
        eventfd_t value = 0;
        if (eventfd_read(event.data.fd, &value) == 0) seen.fetch_add(static_cast<int>(value));
      }
    });
  for (std::size_t i = 0; i < 80; ++i) {
    eventfd_write(all.fds[i % 8], 1);
    if (i % 7 == 0) usleep(2000);
  }
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(seen.load(), 80, "all events");
  close(epoll);
}

void one_shot_among_threads() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const pipe_pair pipe;
  epoll_event interest{EPOLLIN | EPOLLONESHOT, {.fd = pipe.reader}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, pipe.reader, &interest);
  std::atomic<int> at_work{0};
  std::atomic<int> bytes{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      while (bytes.load() < 50) {
        epoll_event event{};
        if (epoll_wait(epoll, &event, 1, 100) != 1) continue;
        expect_equal(at_work.fetch_add(1), 0, "one at a time");
        char byte = 0;
        if (read(pipe.reader, &byte, 1) == 1) bytes.fetch_add(1);
        sched_yield();
        at_work.fetch_sub(1);
        epoll_event again{EPOLLIN | EPOLLONESHOT, {.fd = pipe.reader}};
        epoll_ctl(epoll, EPOLL_CTL_MOD, pipe.reader, &again);
      }
    });
  for (int i = 0; i < 50; ++i) {
    expect_equal(write(pipe.writer, "x", 1), 1, "write");
    if (i % 5 == 0) usleep(1000);
  }
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(bytes.load(), 50, "all bytes");
  close(epoll);
}

// Each thread has an epoll of its own with the listener in it, as servers do.
void exclusive_listeners() {
  const listener server(128, SOCK_CLOEXEC | SOCK_NONBLOCK);
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      const int epoll = epoll_create1(EPOLL_CLOEXEC);
      epoll_event interest{EPOLLIN | EPOLLEXCLUSIVE, {.fd = server.fd}};
      expect_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, server.fd, &interest), 0, "epoll_ctl");
      while (accepted.load() < 40) {
        epoll_event event{};
        if (epoll_wait(epoll, &event, 1, 100) != 1) continue;
        const int peer = accept4(server.fd, nullptr, nullptr, SOCK_CLOEXEC);
        if (peer < 0) continue;
        accepted.fetch_add(1);
        close(peer);
      }
      close(epoll);
    });
  let_others_block();
  for (int i = 0; i < 40; ++i)
    close(server.connect_to());
  for (std::thread& thread : threads)
    thread.join();
  expect_equal(accepted.load(), 40, "each connection once");
}

void epolls_in_epolls() {
  constexpr int depth = 4;
  int chain[depth];
  const pipe_pair pipe;
  int inner = pipe.reader;
  for (int& epoll : chain) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    epoll_event interest{EPOLLIN, {.fd = inner}};
    expect_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, inner, &interest), 0, "epoll_ctl");
    inner = epoll;
  }
  std::thread waiter([&] {
    for (int round = 0; round < 10; ++round) {
      int at = chain[depth - 1];
      for (int level = depth; level-- > 0;) {
        epoll_event event{};
        expect_equal(epoll_wait(at, &event, 1, 20'000), 1, "epoll_wait");
        at = event.data.fd;
      }
      expect_equal(at, pipe.reader, "down to the pipe");
      char byte = 0;
      expect_equal(read(at, &byte, 1), 1, "read");
      epoll_event event{};
      expect_equal(epoll_wait(chain[depth - 1], &event, 1, 0), 0, "nothing more");
    }
  });
  for (int round = 0; round < 10; ++round) {
    usleep(5000);
    expect_equal(write(pipe.writer, "x", 1), 1, "write");
  }
  waiter.join();
  for (const int epoll : chain)
    close(epoll);
}

// A descriptor leaves the epoll when its last duplicate is closed, not before.
void closed_members() {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  pipe_pair pipe;
  epoll_event interest{EPOLLIN, {.fd = 1}};
  epoll_ctl(epoll, EPOLL_CTL_ADD, pipe.reader, &interest);
  std::thread([&] {
    char byte = 0;
    expect_equal(write(pipe.writer, "a", 1), 1, "write");
    expect_equal(read(pipe.reader, &byte, 1), 1, "read: weft has seen this descriptor");
    int duplicate = dup(pipe.reader);
    close_once(pipe.reader);
    expect_equal(write(pipe.writer, "b", 1), 1, "write");
    epoll_event event{};
    expect_equal(epoll_wait(epoll, &event, 1, 10'000), 1, "still a member");
    close_once(duplicate);
    expect_equal(epoll_wait(epoll, &event, 1, 20), 0, "now it is gone");
  }).join();
  close(epoll);
}

const checks registered{
    {"poll_on_thousands", poll_on_thousands},
    {"poll_beyond_the_limit", poll_beyond_the_limit},
    {"select_on_a_thousand", select_on_a_thousand},
    {"select_for_urgent_data_only", select_for_urgent_data_only},
    {"edges_of_one_epoll", edges_of_one_epoll},
    {"one_shot_among_threads", one_shot_among_threads},
    {"exclusive_listeners", exclusive_listeners},
    {"epolls_in_epolls", epolls_in_epolls},
    {"closed_members", closed_members},
};

} // namespace

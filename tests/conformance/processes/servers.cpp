// SPDX-License-Identifier: BSL-1.0
//
// Servers of several processes, each with threads, on one listener.
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/futexes/other_process.hpp"
#include "tests/conformance/processes/child.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csignal>
#include <poll.h>
#include <sys/epoll.h>
#include <vector>

namespace {

using namespace conformance;

struct counters {
  std::atomic<int> ready{0};
  std::atomic<int> served{0};
};

// Answers what it is asked, on one connection.
void serve_one(int connection, counters& c) {
  char text[16];
  ssize_t n;
  while ((n = recv(connection, text, sizeof text, 0)) > 0)
    send(connection, text, static_cast<std::size_t>(n), MSG_NOSIGNAL);
  close(connection);
  c.served.fetch_add(1);
}

void accept_for_ever(int listener, counters& c) {
  for (;;) {
    const int connection = accept(listener, nullptr, nullptr);
    if (connection >= 0) serve_one(connection, c);
  }
}

// The same by an epoll of the process's own.
void poll_for_ever(int listener, counters& c) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLEXCLUSIVE;
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    if (epoll_wait(epoll, &event, 1, -1) != 1) continue;
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) serve_one(connection, c);
  }
}

using loop = void (*)(int, counters&);

pid_t server(int listener, counters& c, loop body) {
  return in_child([&] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&] {
        c.ready.fetch_add(1);
        body(listener, c);
      });
    for (std::thread& thread : threads)
      thread.join();
    return 0;
  });
}

void ask(const sockaddr_in& address, int times) {
  for (int i = 0; i < times; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect_equal(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0,
                 "connect");
    const std::string question = "question " + std::to_string(i);
    send(fd, question.data(), question.size(), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    std::string answer;
    char text[16];
    ssize_t n;
    while ((n = recv(fd, text, sizeof text, 0)) > 0)
      answer.append(text, static_cast<std::size_t>(n));
    expect_equal(answer, question, "the answer");
    close(fd);
  }
}

// `here`: threads of this process serve as well, and did before the others were forked.
void prefork(loop body, bool here, bool nonblocking) {
  const shared_object<counters> c;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback();
  bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address);
  listen(listener, 128);
  if (nonblocking) fcntl(listener, F_SETFL, O_NONBLOCK);
  address = name_of(listener);
  int expected = 9;
  if (here) {
    // Never joined: they wait for connections until the end of the process.
    for (int t = 0; t < 2; ++t)
      std::thread([listener, &c = *c, body] {
        c.ready.fetch_add(1);
        body(listener, c);
      }).detach();
    expected += 2;
    let_others_block();
  }
  std::vector<pid_t> servers;
  for (int s = 0; s < 3; ++s)
    servers.push_back(server(listener, *c, body));
  wait_until([&] { return c->ready.load() == expected; }, "the servers");
  std::vector<std::thread> clients;
  for (int t = 0; t < 6; ++t)
    clients.emplace_back([&] { ask(address, 20); });
  for (std::thread& thread : clients)
    thread.join();
  wait_until([&] { return c->served.load() == 120; }, "all are served");
  // One after the other ends; the rest goes on.
  for (std::size_t s = 0; s < servers.size(); ++s) {
    kill(servers[s], SIGTERM);
    expect_equal(status_of(servers[s]), "killed by 15", "a server");
    if (here || s + 1 < servers.size()) ask(address, 5);
  }
  if (!here) close(listener);
}

void prefork_accept() {
  prefork(accept_for_ever, false, false);
}
void prefork_epoll() {
  prefork(poll_for_ever, false, true);
}
void prefork_epoll_on_a_blocking_listener() {
  prefork(poll_for_ever, false, false);
}
// In a process of its own, since its threads do not end.
void forked_while_serving() {
  const pid_t child = in_child([] {
    prefork(accept_for_ever, true, false);
    return 0;
  });
  expect_equal(status_of(child), "exited 0", "the first server");
}

// A master that replaces workers that die, as real ones do, by a handler and a pipe.
int wake_pipe = -1;
void restarting_master() {
  pipe_pair pipe(O_CLOEXEC | O_NONBLOCK);
  wake_pipe = pipe.writer;
  const handling handler(
      SIGCHLD,
      [](int) {
        const int saved = errno;
        (void)!write(wake_pipe, "c", 1);
        errno = saved;
      },
      SA_RESTART | SA_NOCLDSTOP);
  std::atomic<bool> done{false};
  std::thread bystander([&] {
    while (!done.load())
      usleep(1000);
  });
  int started = 0;
  int ended = 0;
  const auto start = [&] {
    ++started;
    in_child([] {
      std::thread([] { usleep(2000); }).join();
      return 0;
    });
  };
  for (int i = 0; i < 3; ++i)
    start();
  while (ended < 15) {
    pollfd p{pipe.reader, POLLIN, 0};
    if (poll(&p, 1, 10'000) != 1) {
      if (errno == EINTR) continue;
      return fail("no word of a child");
    }
    char bytes[16];
    while (read(pipe.reader, bytes, sizeof bytes) > 0) {
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
      ++ended;
      if (started < 15) start();
    }
  }
  done.store(true);
  bystander.join();
  expect_errno(waitpid(-1, nullptr, WNOHANG), ECHILD, "all have been waited for");
}

// Forks from several threads at once, each child with threads of its own, some becoming others.
void forks_from_all_threads() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 5; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 8; ++i) {
        const pid_t child = in_child([t, i] {
          std::atomic<int> sum{0};
          std::vector<std::thread> inner;
          for (int k = 0; k < 3; ++k)
            inner.emplace_back([&sum, k] {
              usleep(200);
              sum.fetch_add(k);
            });
          for (std::thread& thread : inner)
            thread.join();
          if (sum.load() != 3) return 99;
          const std::string script = "exit " + std::to_string(t * 8 + i);
          if (i % 2) execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
          return t * 8 + i;
        });
        expect_equal(status_of(child), "exited " + std::to_string(t * 8 + i), "the child");
      }
    });
  for (std::thread& thread : threads)
    thread.join();
}

const checks registered{
    {"prefork_accept", prefork_accept},
    {"prefork_epoll", prefork_epoll},
    {"prefork_epoll_on_a_blocking_listener", prefork_epoll_on_a_blocking_listener},
    {"forked_while_serving", forked_while_serving},
    {"restarting_master", restarting_master},
    {"forks_from_all_threads", forks_from_all_threads},
};

} // namespace

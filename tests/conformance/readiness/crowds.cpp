// SPDX-License-Identifier: BSL-1.0
// Many threads on a connection each, whose transfers may be made together: each gets its own bytes,
// errors and signals, whatever happens to the others.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <deque>
#include <functional>
#include <pthread.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <vector>

namespace {

using namespace conformance;

constexpr int crowd_size = 100; // more than are received for at once

// Each has a thread at its right end; the left ones are the caller's.
class crowd {
 public:
  using body = std::function<void(int number, int fd)>;

  explicit crowd(int size = crowd_size) : pairs(static_cast<std::size_t>(size)) {}
  ~crowd() { join(); }

  void start(const body& each) {
    int number = 0;
    for (tcp_pair& pair : pairs)
      threads.emplace_back([each, n = number++, fd = pair.right] { each(n, fd); });
    let_others_block();
  }
  void join() {
    for (std::thread& thread : threads)
      thread.join();
    threads.clear();
  }
  void tell_all(const void* data, std::size_t size) {
    for (const tcp_pair& pair : pairs)
      expect_equal(send(pair.left, data, size, 0), static_cast<ssize_t>(size), "send");
  }
  void tell_all() { tell_all("!", 1); }

  std::deque<tcp_pair> pairs;
  std::vector<std::thread> threads;
};

void await_word(int fd) {
  char byte = 0;
  expect_equal(recv(fd, &byte, 1, 0), 1, "the word");
}

void echo(int, int fd) {
  std::array<char, 64> buffer{};
  ssize_t n = 0;
  while ((n = read(fd, buffer.data(), buffer.size())) > 0)
    expect_equal(write(fd, buffer.data(), static_cast<std::size_t>(n)), n, "write");
  expect_equal(n, 0, "the end");
}

void play_echo(int size, int rounds) {
  crowd all(size);
  all.start(echo);
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < size; ++i) {
      const int word = round * 1000 + i;
      expect_equal(send(all.pairs[i].left, &word, sizeof word, 0), 4, "send");
    }
    for (int i = 0; i < size; ++i) {
      int word = 0;
      expect_equal(recv(all.pairs[i].left, &word, sizeof word, MSG_WAITALL), 4, "recv");
      expect_equal(word, round * 1000 + i, "what comes back");
    }
  }
  for (tcp_pair& pair : all.pairs)
    shutdown(pair.left, SHUT_WR);
}

void everybody_gets_its_own() {
  play_echo(crowd_size, 30);
}

// Larger than the buffers of both ends: parts are sent as there is room.
void much_at_once() {
  constexpr std::size_t size = 3'000'000;
  crowd all(10);
  all.start([](int number, int fd) {
    const std::string text(size, static_cast<char>('a' + number));
    await_word(fd);
    expect_equal(send(fd, text.data(), size, 0), static_cast<ssize_t>(size), "send");
    await_word(fd);
    expect_equal(write(fd, text.data(), size), static_cast<ssize_t>(size), "write");
  });
  for (int part = 0; part < 2; ++part) {
    all.tell_all();
    for (int i = 0; i < 10; ++i) {
      std::string text(size, 0);
      expect_equal(recv(all.pairs[i].left, text.data(), size, MSG_WAITALL),
                   static_cast<ssize_t>(size), "recv");
      expect_equal(text.find_first_not_of(static_cast<char>('a' + i)), std::string::npos, "bytes");
    }
  }
}

thread_local volatile sig_atomic_t broken_pipes = 0;

void senders_to_nobody_get_the_signal() {
  struct sigaction count {};
  count.sa_handler = [](int) { broken_pipes = broken_pipes + 1; };
  struct sigaction before {};
  sigaction(SIGPIPE, &count, &before);
  {
    crowd all;
    all.start([](int number, int fd) {
      sigset_t pipe, found;
      sigemptyset(&pipe);
      sigaddset(&pipe, SIGPIPE);
      await_word(fd);
      // A third sends to the other end, a third to nobody, and a third to nobody in silence.
      if (number % 3 != 0) shutdown(fd, SHUT_WR);
      const int flags = number % 3 == 2 ? MSG_NOSIGNAL : 0;
      for (int i = 0; i < 3; ++i) {
        if (number % 3 == 0)
          expect_equal(send(fd, "x", 1, 0), 1, "send");
        else
          expect_errno(send(fd, "x", 1, flags), EPIPE, "send to nobody");
        expect_equal(broken_pipes, number % 3 == 1 ? i + 1 : 0, "signals");
        await_word(fd);
      }
      if (number % 3 != 1) return;
      // Blocked it stays pending.
      pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
      expect_errno(write(fd, "x", 1), EPIPE, "write to nobody");
      expect_equal(broken_pipes, 3, "signals while it is blocked");
      sigpending(&found);
      expect_equal(sigismember(&found, SIGPIPE), 1, "pending");
      int number_of = 0;
      sigwait(&pipe, &number_of);
    });
    for (int i = 0; i < 4; ++i) {
      all.tell_all();
      let_others_block();
    }
  }
  sigaction(SIGPIPE, &before, nullptr);
}

void signals_lose_nothing() {
  struct sigaction interrupt {};
  interrupt.sa_handler = [](int) {};
  struct sigaction before {};
  sigaction(SIGUSR1, &interrupt, &before);
  {
    constexpr int words = 40;
    std::atomic<int> ready{0};
    crowd all;
    all.start([&](int, int fd) {
      ready.fetch_add(1);
      for (int expected = 0; expected < words;) {
        int word = -1;
        const ssize_t n = recv(fd, &word, sizeof word, 0);
        if (n < 0) {
          expect_equal(errno, EINTR, "recv");
          continue;
        }
        expect_equal(n, 4, "recv");
        expect_equal(word, expected++, "the next word");
      }
    });
    wait_until([&] { return ready.load() == crowd_size; }, "all threads began");
    for (int word = 0; word < words; ++word) {
      all.tell_all(&word, sizeof word);
      for (std::size_t i = static_cast<std::size_t>(word) % 3; i < all.threads.size(); i += 3)
        pthread_kill(all.threads[i].native_handle(), SIGUSR1);
      if (word % 4 == 0) let_others_block();
    }
  }
  sigaction(SIGUSR1, &before, nullptr);
}

// Who is woken first gives the numbers of all others to another connection, and closes some.
void receives_from_what_it_began_with() {
  tcp_pair other;
  std::atomic<bool> done{false};
  std::atomic<int> got{0};
  crowd all;
  all.start([&](int number, int fd) {
    char byte = 0;
    expect_equal(recv(fd, &byte, 1, 0), 1, "recv");
    expect_equal(byte, 'o', "a byte of the old connection");
    if (!done.exchange(true)) {
      for (int i = 0; i < crowd_size; ++i) {
        if (i == number) continue;
        if (i % 5 == 0)
          close_once(all.pairs[i].right);
        else
          expect_equal(dup2(other.right, all.pairs[i].right), all.pairs[i].right, "dup2");
      }
      expect_equal(send(other.left, "nnnnnnnnnn", 10, 0), 10, "send");
    }
    got.fetch_add(1);
  });
  all.tell_all("o", 1);
  all.join();
  expect_equal(got.load(), crowd_size, "receivers");
  for (int i = 0; i < crowd_size; ++i)
    if (i % 5 == 0) close_once(all.pairs[i].left);
  std::array<char, 16> left{};
  expect_equal(recv(other.right, left.data(), left.size(), MSG_DONTWAIT), 10, "nobody took these");
}

void limits_end_those_that_wait() {
  std::atomic<int> ended{0};
  crowd all;
  for (const tcp_pair& pair : all.pairs) {
    const timeval span{0, 300'000};
    setsockopt(pair.right, SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span);
  }
  all.start([&](int number, int fd) {
    char byte = 0;
    if (number % 2 == 0) return await_word(fd);
    const stopwatch watch;
    expect_errno(recv(fd, &byte, 1, 0), EAGAIN, "recv");
    watch.expect_between(290ms, 10s, "the time limit");
    ended.fetch_add(1);
  });
  for (int i = 0; i < crowd_size; i += 2)
    expect_equal(send(all.pairs[i].left, "!", 1, 0), 1, "send");
  all.join();
  expect_equal(ended.load(), crowd_size / 2, "ended by the limit");
}

void bad_addresses_are_their_owners() {
  crowd all;
  all.start([](int number, int fd) {
    await_word(fd);
    const char* const text = "fine";
    const bool bad = number % 4 == 1;
    const ssize_t n = send(fd, bad ? reinterpret_cast<const char*>(16) : text, 4, 0);
    if (bad)
      expect_errno(n, EFAULT, "send");
    else
      expect_equal(n, 4, "send");
    await_word(fd);
    if (number % 4 == 2)
      expect_errno(recv(fd, reinterpret_cast<char*>(16), 4, 0), EFAULT, "recv");
    else
      await_word(fd);
  });
  for (int i = 0; i < 3; ++i) {
    all.tell_all();
    let_others_block();
  }
}

void what_must_not_wait_does_not() {
  crowd all;
  for (std::size_t i = 0; i < all.pairs.size(); i += 2)
    fcntl(all.pairs[i].right, F_SETFL, O_NONBLOCK);
  std::atomic<bool> go{false};
  all.start([&](int number, int fd) {
    char byte = 0;
    if (number % 2 != 0) return await_word(fd);
    expect_errno(recv(fd, &byte, 1, 0), EAGAIN, "recv without waiting");
    expect_equal(send(fd, "x", 1, 0), 1, "send");
    while (!go.load())
      std::this_thread::sleep_for(1ms);
    expect_equal(recv(fd, &byte, 1, 0), 1, "recv of what is there");
  });
  all.tell_all();
  let_others_block();
  go.store(true);
}

void a_forked_child_has_its_own() {
  crowd all;
  all.start(echo);
  for (int round = 0; round < 3; ++round) {
    all.tell_all("abcd", 4);
    const pid_t child = fork();
    if (child == 0) {
      play_echo(20, 3);
      _exit(failures() ? 1 : 0);
    }
    for (const tcp_pair& pair : all.pairs) {
      std::array<char, 8> back{};
      expect_equal(recv(pair.left, back.data(), 4, MSG_WAITALL), 4, "recv");
      expect_equal(std::string(back.data()), "abcd", "what comes back");
    }
    int status = -1;
    expect_equal(waitpid(child, &status, 0), child, "waitpid");
    expect_equal(status, 0, "the child");
  }
  for (tcp_pair& pair : all.pairs)
    shutdown(pair.left, SHUT_WR);
}

const checks registered{
    {"crowd_everybody_gets_its_own", everybody_gets_its_own},
    {"crowd_much_at_once", much_at_once},
    {"crowd_senders_to_nobody_get_the_signal", senders_to_nobody_get_the_signal},
    {"crowd_signals_lose_nothing", signals_lose_nothing},
    {"crowd_receives_from_what_it_began_with", receives_from_what_it_began_with},
    {"crowd_limits_end_those_that_wait", limits_end_those_that_wait},
    {"crowd_bad_addresses_are_their_owners", bad_addresses_are_their_owners},
    {"crowd_what_must_not_wait_does_not", what_must_not_wait_does_not},
    {"crowd_a_forked_child_has_its_own", a_forked_child_has_its_own},
};

} // namespace

// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <memory>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

namespace soak {
namespace {

std::vector<scenes::entry>& registered() {
  static std::vector<scenes::entry> all;
  return all;
}

void* run_body(void* argument) {
  const std::unique_ptr<std::function<void()>> body(static_cast<std::function<void()>*>(argument));
  (*body)();
  return nullptr;
}

std::uint8_t byte_of(std::uint64_t seed, std::size_t position) {
  return static_cast<std::uint8_t>((seed + position) * 0x9e3779b97f4a7c15 >> 37);
}

std::size_t piece(chance& c, std::size_t left) {
  const int most = c.one_in(8) ? 70'000 : 3'000;
  return std::min(left, static_cast<std::size_t>(c.between(1, most)));
}

} // namespace

scenes::scenes(std::initializer_list<entry> entries) {
  registered().insert(registered().end(), entries);
}

const std::vector<scenes::entry>& all_scenes() {
  return registered();
}

thread::thread(std::function<void()> body, int stack_kib) : joinable_(true) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (stack_kib != 0)
    pthread_attr_setstacksize(&attributes, static_cast<std::size_t>(stack_kib) * 1024);
  auto* argument = new std::function<void()>(std::move(body));
  expect_equal(pthread_create(&id_, &attributes, run_body, argument), 0, "pthread_create");
  pthread_attr_destroy(&attributes);
}

thread::thread(thread&& other) noexcept : id_(other.id_), joinable_(other.joinable_) {
  other.joinable_ = false;
}

thread::~thread() {
  if (joinable_) join();
}

void thread::join() {
  joinable_ = false;
  void* result = this;
  expect_equal(pthread_join(id_, &result), 0, "pthread_join");
  expect_equal(result == nullptr ? 1 : 0, 1, "the thread's result");
}

timespec soon(clockid_t clock, chance& c) {
  timespec at{};
  clock_gettime(clock, &at);
  at.tv_nsec += c.between(1, 3000) * 1000;
  if (at.tv_nsec >= 1'000'000'000) {
    at.tv_nsec -= 1'000'000'000;
    ++at.tv_sec;
  }
  return at;
}

void dawdle(chance& c) {
  switch (c.between(0, 7)) {
  case 0:
    sched_yield();
    break;
  case 1: {
    const timespec nap{0, c.between(1, 300) * 1000};
    nanosleep(&nap, nullptr);
    break;
  }
  case 2: {
    volatile long sum = 0;
    for (int i = c.between(1, 20'000); i > 0; --i)
      sum = sum + i;
    break;
  }
  default:
    break;
  }
}

int take_signal() {
  static std::atomic<int> next{0};
  return SIGRTMIN + 2 + next++ % 24;
}

bool was_interrupted() noexcept {
  return errno == EINTR;
}

void write_all(int fd, const void* from, std::size_t size) {
  const char* at = static_cast<const char*>(from);
  while (size > 0) {
    const ssize_t written = uninterrupted([&] { return write(fd, at, size); });
    if (written <= 0) fail("write", written < 0 ? -errno : 0, static_cast<long>(size));
    at += written;
    size -= static_cast<std::size_t>(written);
  }
}

void read_all(int fd, void* into, std::size_t size) {
  char* at = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t got = uninterrupted([&] { return read(fd, at, size); });
    if (got <= 0) fail("read", got < 0 ? -errno : 0, static_cast<long>(size));
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}

void write_stream(int fd, std::uint64_t seed, std::size_t size, chance& c) {
  std::vector<std::uint8_t> buffer;
  for (std::size_t at = 0; at < size;) {
    buffer.resize(piece(c, size - at));
    for (std::size_t i = 0; i < buffer.size(); ++i)
      buffer[i] = byte_of(seed, at + i);
    write_all(fd, buffer.data(), buffer.size());
    at += buffer.size();
    if (c.one_in(8)) dawdle(c);
  }
}

void read_stream(int fd, std::uint64_t seed, std::size_t size, chance& c) {
  std::vector<std::uint8_t> buffer;
  for (std::size_t at = 0; at < size;) {
    buffer.resize(piece(c, size - at));
    const ssize_t got = uninterrupted([&] { return read(fd, buffer.data(), buffer.size()); });
    if (got <= 0) fail("read of a stream", got < 0 ? -errno : 0, static_cast<long>(size - at));
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i)
      if (buffer[i] != byte_of(seed, at + i))
        fail("a byte of a stream, at", static_cast<long>(at + i), byte_of(seed, at + i));
    at += static_cast<std::size_t>(got);
    if (c.one_in(8)) dawdle(c);
  }
}

} // namespace soak

// SPDX-License-Identifier: BSL-1.0
// A program that has an io_uring of its own: waiting for completions is a call that blocks.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <thread>
#include <vector>

namespace {

using namespace conformance;

class own_ring {
 public:
  own_ring() {
    fd_ = static_cast<int>(syscall(SYS_io_uring_setup, 8, &layout_));
    if (fd_ < 0) return;
    const auto map = [&](std::size_t size, off_t what) {
      return static_cast<char*>(
          mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, what));
    };
    rings_ = map(layout_.cq_off.cqes + layout_.cq_entries * sizeof(io_uring_cqe), 0);
    entries_ = reinterpret_cast<io_uring_sqe*>(
        map(layout_.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
  }
  own_ring(const own_ring&) = delete;
  own_ring& operator=(const own_ring&) = delete;
  ~own_ring() { close_once(fd_); }

  [[nodiscard]] bool forbidden() const { return fd_ < 0; }
  [[nodiscard]] int fd() const { return fd_; }

  long submit_and_wait(const io_uring_sqe& entry, unsigned wait_for) {
    std::uint32_t& tail = word(layout_.sq_off.tail);
    const std::uint32_t index = tail & word(layout_.sq_off.ring_mask);
    entries_[index] = entry;
    (&word(layout_.sq_off.array))[index] = index;
    std::atomic_ref(tail).store(tail + 1, std::memory_order_release);
    return enter(1, wait_for);
  }
  long enter(unsigned submitted, unsigned wait_for) {
    return syscall(SYS_io_uring_enter, fd_, submitted, wait_for,
                   wait_for > 0 ? IORING_ENTER_GETEVENTS : 0, nullptr, 0);
  }
  // The next completion's result; -1000 if there is none.
  int result() {
    std::uint32_t& head = word(layout_.cq_off.head);
    if (head == std::atomic_ref(word(layout_.cq_off.tail)).load(std::memory_order_acquire))
      return -1000;
    const auto* all = reinterpret_cast<io_uring_cqe*>(rings_ + layout_.cq_off.cqes);
    const int found = all[head & word(layout_.cq_off.ring_mask)].res;
    std::atomic_ref(head).store(head + 1, std::memory_order_release);
    return found;
  }

 private:
  std::uint32_t& word(std::uint32_t offset) {
    return *reinterpret_cast<std::uint32_t*>(rings_ + offset);
  }
  int fd_ = -1;
  io_uring_params layout_{};
  char* rings_ = nullptr;
  io_uring_sqe* entries_ = nullptr;
};

// SIGALRM every 300 us, for those who do not block it.
class storm_of_alarms {
 public:
  storm_of_alarms() {
    const itimerval often{{0, 300}, {0, 300}};
    setitimer(ITIMER_REAL, &often, nullptr);
  }
  storm_of_alarms(const storm_of_alarms&) = delete;
  storm_of_alarms& operator=(const storm_of_alarms&) = delete;
  ~storm_of_alarms() {
    const itimerval none{};
    setitimer(ITIMER_REAL, &none, nullptr);
  }

 private:
  const handling handler_{SIGALRM, [](int) {}, SA_RESTART};
};

io_uring_sqe reading(int fd, void* to, unsigned size) {
  io_uring_sqe entry{};
  entry.opcode = IORING_OP_READ;
  entry.fd = fd;
  entry.addr = reinterpret_cast<std::uintptr_t>(to);
  entry.len = size;
  entry.off = static_cast<std::uint64_t>(-1);
  return entry;
}

void waits_for_a_completion() {
  const pipe_pair pipe;
  std::thread waiter([&] {
    own_ring ring;
    if (ring.forbidden()) return;
    for (int round = 0; round < 3; ++round) {
      char byte = 0;
      expect_equal(ring.submit_and_wait(reading(pipe.reader, &byte, 1), 1), 1, "io_uring_enter");
      expect_equal(ring.result(), 1, "the read's result");
      expect_equal(byte, 'r', "the byte");
    }
  });
  for (int round = 0; round < 3; ++round) {
    let_others_block();
    expect_equal(write(pipe.writer, "r", 1), 1, "write");
  }
  waiter.join();
}

void several_threads_with_rings() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      own_ring ring;
      if (ring.forbidden()) return;
      const pipe_pair pipe;
      std::thread writer([&] {
        for (int i = 0; i < 20; ++i) {
          usleep(1000);
          expect_equal(write(pipe.writer, "r", 1), 1, "write");
        }
      });
      for (int i = 0; i < 20; ++i) {
        char byte = 0;
        ring.submit_and_wait(reading(pipe.reader, &byte, 1), 1);
        expect_equal(ring.result(), 1, "the read's result");
      }
      writer.join();
    });
  for (std::thread& thread : threads)
    thread.join();
}

// What comes for other threads disturbs nobody's wait, though it has submitted something.
void waits_on_in_a_storm() {
  const storm_of_alarms storm;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([] {
      const blocked not_here{SIGALRM};
      own_ring ring;
      if (ring.forbidden()) return;
      for (int round = 0; round < 5; ++round) {
        const pipe_pair pipe;
        std::thread writer([&] {
          usleep(10'000);
          expect_equal(write(pipe.writer, "r", 1), 1, "write");
        });
        char byte = 0;
        expect_equal(ring.submit_and_wait(reading(pipe.reader, &byte, 1), 1), 1, "io_uring_enter");
        expect_equal(ring.result(), 1, "the read's result");
        writer.join();
      }
    });
  for (std::thread& thread : threads)
    thread.join();
}

// A ring is a descriptor that can be waited for as any other.
void poll_of_a_ring() {
  const pipe_pair pipe;
  std::thread waiter([&] {
    own_ring ring;
    if (ring.forbidden()) return;
    char byte = 0;
    expect_equal(ring.submit_and_wait(reading(pipe.reader, &byte, 1), 0), 1, "submitted");
    expect_equal(ring.result(), -1000, "nothing yet");
    pollfd entry{ring.fd(), POLLIN, 0};
    expect_equal(poll(&entry, 1, 20'000), 1, "poll");
    ring.enter(0, 1);
    expect_equal(ring.result(), 1, "the read's result");
  });
  let_others_block();
  expect_equal(write(pipe.writer, "r", 1), 1, "write");
  waiter.join();
}

const checks registered{
    {"waits_for_a_completion", waits_for_a_completion},
    {"several_threads_with_rings", several_threads_with_rings},
    {"ring_waits_on_in_a_storm", waits_on_in_a_storm},
    {"poll_of_a_ring", poll_of_a_ring},
};

} // namespace

// SPDX-License-Identifier: BSL-1.0
//
// futex(2) itself, and what came after it.
#include "tests/conformance/check.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

template <class... Arguments>
long futex(std::atomic<unsigned>* word, int operation, Arguments... arguments) {
  return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, arguments...);
}

// Both do what they are to do on words that nobody shares; called with threads that wait.
class waiters {
 public:
  waiters(int count, std::atomic<unsigned>& word, unsigned bitset) : word_(word) {
    for (int i = 0; i < count; ++i)
      threads_.emplace_back([this, bitset] {
        if (futex(&word_, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, bitset) == 0) woken_.fetch_add(1);
      });
  }
  ~waiters() {
    for (std::thread& thread : threads_)
      thread.join();
  }
  int woken() const { return woken_.load(); }

 private:
  std::atomic<unsigned>& word_;
  std::atomic<int> woken_{0};
  std::vector<std::thread> threads_;
};

// Until `expected` threads wait for the word: moved onto itself, none is woken.
void await_waiters(std::atomic<unsigned>& word, int expected) {
  wait_until([&] { return futex(&word, FUTEX_REQUEUE, 0, 1000L, &word, 0) == expected; },
             "waiters");
}

void bitsets() {
  std::atomic<unsigned> word{0};
  waiters first(2, word, 1);
  waiters second(1, word, 6);
  await_waiters(word, 3);
  expect_equal(futex(&word, FUTEX_WAKE_BITSET, 10, nullptr, nullptr, 8), 0, "nobody's bit");
  expect_equal(futex(&word, FUTEX_WAKE_BITSET, 10, nullptr, nullptr, 4), 1, "the second's");
  expect_equal(futex(&word, FUTEX_WAKE_BITSET, 1, nullptr, nullptr, ~0u), 1, "one of the first");
  expect_equal(futex(&word, FUTEX_WAKE, 10), 1, "the other");
  expect_errno(futex(&word, FUTEX_WAKE_BITSET, 1, nullptr, nullptr, 0), EINVAL, "no bit");
  expect_errno(futex(&word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, 0), EINVAL, "no bit");
}

void requeueing() {
  std::atomic<unsigned> from{0}, to{0};
  waiters all(5, from, ~0u);
  await_waiters(from, 5);
  expect_errno(futex(&from, FUTEX_CMP_REQUEUE, 1, 2L, &to, 7), EAGAIN, "another value");
  expect_equal(futex(&from, FUTEX_CMP_REQUEUE, 1, 2L, &to, 0), 3, "one woken, two moved");
  expect_equal(futex(&from, FUTEX_WAKE, 10), 2, "left");
  expect_equal(futex(&to, FUTEX_WAKE, 10), 2, "moved");
  expect_errno(futex(&from, FUTEX_REQUEUE, -1, 1L, &to, 0), EINVAL, "a negative count");
}

void wake_op() {
  std::atomic<unsigned> first{0}, second{5};
  waiters one(1, first, ~0u);
  await_waiters(first, 1);
  const int operation = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 4);
  expect_equal(futex(&first, FUTEX_WAKE_OP, 1, 1L, &second, operation), 1, "woken");
  expect_equal(second.load(), 8u, "five and three");
}

void refusals() {
  std::atomic<unsigned> words[2] = {};
  auto* odd = reinterpret_cast<std::atomic<unsigned>*>(reinterpret_cast<char*>(words) + 1);
  expect_errno(futex(odd, FUTEX_WAIT, 0, nullptr), EINVAL, "an odd address");
  expect_errno(futex(odd, FUTEX_WAKE, 1), EINVAL, "an odd address");
  expect_errno(futex(words, 77, 0, nullptr), ENOSYS, "no operation");
  timespec moment{0, 1000};
  expect_errno(futex(words, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &moment), ENOSYS, "a clock");
  timespec never{0, 1'000'000'000};
  expect_errno(futex(words, FUTEX_WAIT, 0, &never), EINVAL, "no time");
}

futex_waitv described(std::atomic<unsigned>& word, unsigned expected) {
  return {expected, reinterpret_cast<std::uint64_t>(&word), FUTEX_32 | FUTEX_PRIVATE_FLAG, 0};
}
long waitv(const futex_waitv* words, unsigned count, const timespec* until = nullptr,
           int clock = CLOCK_MONOTONIC, unsigned flags = 0) {
  return syscall(SYS_futex_waitv, words, count, flags, until, clock);
}

void several_words() {
  for (const unsigned count : {2u, 20u, 128u})
    for (const unsigned which : {0u, count / 2, count - 1}) {
      std::vector<std::atomic<unsigned>> words(count);
      std::vector<futex_waitv> wanted;
      for (std::atomic<unsigned>& word : words)
        wanted.push_back(described(word, 0));
      std::thread waiter(
          [&] { expect_equal(waitv(wanted.data(), count), which, "the word that was woken"); });
      await_waiters(words[which], 1);
      expect_equal(futex(&words[which], FUTEX_WAKE, 10), 1, "one waiter");
      waiter.join();
      for (std::atomic<unsigned>& word : words)
        expect_equal(futex(&word, FUTEX_WAKE, 10), 0, "nobody waits any more");
    }
}

void several_words_in_vain() {
  std::atomic<unsigned> first{0}, second{1};
  std::thread([&] {
    const futex_waitv differs[] = {described(first, 0), described(second, 0)};
    expect_errno(waitv(differs, 2), EAGAIN, "another value");
    const futex_waitv same[] = {described(first, 0), described(second, 1)};
    timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const stopwatch watch;
    until.tv_sec += (until.tv_nsec + 30'000'000) / 1'000'000'000;
    until.tv_nsec = (until.tv_nsec + 30'000'000) % 1'000'000'000;
    expect_errno(waitv(same, 2, &until), ETIMEDOUT, "a deadline");
    watch.expect_between(25ms, 10s, "the wait");
    expect_errno(waitv(same, 2, &until, CLOCK_REALTIME), ETIMEDOUT, "one that has passed");
    expect_errno(waitv(same, 2, &until, CLOCK_BOOTTIME), EINVAL, "another clock");
    expect_errno(waitv(same, 0), EINVAL, "no word");
    expect_errno(waitv(same, 129), EINVAL, "too many words");
    expect_errno(waitv(same, 2, nullptr, CLOCK_MONOTONIC, 1), EINVAL, "a flag");
    expect_errno(waitv(nullptr, 2), EINVAL, "no words");
    expect_errno(waitv(reinterpret_cast<futex_waitv*>(64), 2), EFAULT, "a wrong address");
    futex_waitv reserved = described(first, 0);
    reserved.__reserved = 1;
    expect_errno(waitv(&reserved, 1), EINVAL, "a reserved member");
    futex_waitv large = described(first, 0);
    large.flags = 3;
    expect_errno(waitv(&large, 1), EINVAL, "a word of another size");
  }).join();
}

void several_words_and_a_signal() {
  const handling handler(SIGUSR1, [](int) {});
  std::atomic<unsigned> first{0}, second{0};
  std::thread waiter([&] {
    const futex_waitv words[] = {described(first, 0), described(second, 0)};
    expect_errno(waitv(words, 2), EINTR, "futex_waitv and a handler");
  });
  await_waiters(second, 1);
  pthread_kill(waiter.native_handle(), SIGUSR1);
  waiter.join();
}

// Words of which one may have waiters elsewhere, and one may not.
void several_words_of_two_kinds() {
  std::atomic<unsigned> here{0}, unshared{0};
  auto* there = static_cast<std::atomic<unsigned>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  for (int which = 0; which < 3; ++which) {
    std::thread waiter([&] {
      futex_waitv words[] = {described(here, 0), described(*there, 0), described(unshared, 0)};
      words[1].flags = words[2].flags = FUTEX_32;
      expect_equal(waitv(words, 3), which, "the word that was woken");
    });
    wait_until(
        [&] {
          if (which == 0) return futex(&here, FUTEX_WAKE, 1) == 1;
          return syscall(SYS_futex, which == 1 ? there : &unshared, FUTEX_WAKE, 1) == 1;
        },
        "a waiter");
    waiter.join();
  }
  munmap(there, 4096);
}

// futex_wait, futex_wake, futex_requeue (Linux 6.7): what is known natively is known.
void newer_calls() {
  constexpr long wake = 454, wait = 455, requeue = 456;
  constexpr unsigned flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
  std::atomic<unsigned> word{0}, other{0};
  if (syscall(wake, &word, ~0u, 1, flags) != 0) return;
  const auto in_thread = [&] {
    return std::thread([&] {
      expect_equal(syscall(wait, &word, 0L, 5L, flags, nullptr, CLOCK_MONOTONIC), 0, "futex_wait");
    });
  };
  {
    std::thread waiter = in_thread();
    await_waiters(word, 1);
    expect_equal(syscall(wake, &word, 2L, 10, flags), 0, "another mask");
    expect_equal(syscall(wake, &word, 4L, 10, flags), 1, "the waiter's");
    waiter.join();
  }
  {
    std::thread waiter = in_thread();
    await_waiters(word, 1);
    const futex_waitv words[] = {described(word, 0), described(other, 0)};
    expect_equal(syscall(requeue, words, 0, 0, 1), 1, "futex_requeue");
    expect_equal(futex(&word, FUTEX_WAKE, 10), 0, "moved away");
    expect_equal(futex(&other, FUTEX_WAKE, 10), 1, "moved there");
    waiter.join();
  }
  timespec past{0, 0};
  expect_errno(syscall(wait, &word, 0L, 1L, flags, &past, CLOCK_MONOTONIC), ETIMEDOUT, "time-out");
  expect_errno(syscall(wait, &word, 1L, 1L, flags, nullptr, 0), EAGAIN, "another value");
  expect_errno(syscall(wait, &word, 0L, 0L, flags, nullptr, 0), EINVAL, "no mask");
}

const checks registered{
    {"bitsets", bitsets},
    {"requeueing", requeueing},
    {"wake_op", wake_op},
    {"refusals", refusals},
    {"several_words", several_words},
    {"several_words_in_vain", several_words_in_vain},
    {"several_words_and_a_signal", several_words_and_a_signal},
    {"several_words_of_two_kinds", several_words_of_two_kinds},
    {"newer_calls", newer_calls},
};

} // namespace

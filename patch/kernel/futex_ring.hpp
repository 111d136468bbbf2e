// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/futex.h>

#include <atomic>
#include <cstdint>

#include "patch/kernel/green.hpp"
#include "patch/kernel/io_ring.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/list.hpp"

namespace weft::patch {

struct credentials;
struct ring_wait;

/// What is asked of the ring: a wait, or its cancellation.
struct ring_request {
  ring_request* next = nullptr; // among those asked for, or done
  ring_wait* of = nullptr;
  std::uint8_t operation = 0;
  std::uint32_t flags = 0;    // futex2's
  const void* what = nullptr; // the word, the words, or the request to be cancelled
  unsigned words = 0;
  std::uint32_t expected = 0;
  std::uint32_t bitset = 0;
  long result = 0;
};

/// One thread's wait, on its stack.
struct ring_wait : core::list_hook<> {
  ring_request begin;
  ring_request end; // its cancellation
  green* thread = nullptr;
  int under_way = 0; // of these
};

/// Waits for words that others than weft's threads may wake, as many as there are in one kernel
/// thread: the kernel's own FUTEX_WAIT, made by io_uring (Linux 6.7). They stand in the kernel's
/// queue among all other waiters, and are counted and ordered with them.
///
/// The requests of a ring belong to the kernel thread that submits them: it is interrupted as they
/// complete, and they end with it. Workers are in other calls and come and go, so this thread does
/// nothing else. It harvests only when it asks to (DEFER_TASKRUN), lives from the first such wait
/// until the main thread is alone, and all that its ring can do is wait for words.
///
/// All but the thread's own part is for who holds the processor.
class futex_ring {
 public:
  /// Whether there is one, made now if need be. Where the kernel forbids it or is older: never.
  [[nodiscard]] bool open() noexcept;

  /// futex_wait(2) with an absolute monotonic deadline, for g, the caller. 0, -EAGAIN (the word
  /// differs), -EFAULT, -ETIMEDOUT, a restart code after a signal; wait_in_kernel: the ring can't.
  /// A wake-up that came first is never given away.
  long wait(green& g, std::uint32_t* word, std::uint32_t expected, std::uint32_t bitset,
            bool is_private, core::nanoseconds deadline) noexcept;
  /// futex_waitv(2): which one, or as `wait`.
  long wait_any(green& g, const futex_waitv* words, unsigned count,
                core::nanoseconds deadline) noexcept;

  /// Wakes those whose waits are over. To be called after each look at events: the ring's thread
  /// interrupts the reactor.
  void harvest() noexcept {
    if (done_.load(std::memory_order_relaxed) || lost_.load(std::memory_order_relaxed))
      wake_finished();
  }

  /// Whether somebody waits, and is found by `harvest` alone.
  [[nodiscard]] bool has_waiters() const noexcept { return !waiting_.empty(); }

  /// The process's credentials have changed: the thread takes them over.
  void adopt(const credentials& now) noexcept;

  /// Nobody waits any more: ends the thread, and returns when it has ended.
  void stop() noexcept;

  /// From now on there is none: the kernel would kill whoever used it. All who wait look at their
  /// words again, and wait by themselves.
  void refuse() noexcept;

  /// In a fork's child: the parent's is not ours.
  void reset_after_fork() noexcept;

 private:
  long make(green& g, const ring_request& wanted, core::nanoseconds deadline,
            long after_signal) noexcept;
  void ask(ring_wait& w, ring_request& r) noexcept;
  void call() noexcept;
  void wake_finished() noexcept;
  void give_up() noexcept;
  long start() noexcept;

  // The thread's.
  static void run(void* self) noexcept;
  void serve() noexcept;
  bool submit_asked() noexcept;
  bool listen() noexcept;
  bool push(const ring_request& r) noexcept;
  bool collect() noexcept;

  io_ring ring_;
  bool refused_ = false;
  core::list<ring_wait> waiting_;

  std::atomic<ring_request*> asked_{nullptr}; // last in, first out
  std::atomic<ring_request*> done_{nullptr};  // likewise
  std::atomic<std::uint32_t> called_{0};      // a futex, for which the ring itself waits
  std::atomic<const credentials*> to_adopt_{nullptr};
  std::atomic<bool> ends_{false};
  std::atomic<bool> lost_{false}; // the kernel has refused the ring's use, and the thread has ended
  ring_request listening_;        // of no thread: the wait for called_
  bool listens_ = false;

  std::uint32_t alive_ = 0;
  void* stack_top_ = nullptr;
  void* thread_pointer_ = nullptr;
};

} // namespace weft::patch

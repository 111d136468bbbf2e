// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

#include "patch/kernel/green.hpp"
#include "patch/kernel/statistics.hpp"
#include "runtime/core/list.hpp"

namespace weft::patch {

struct worker;

/// Threads that shall run, in order.
class ready_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return length_ == 0; }
  [[nodiscard]] unsigned length() const noexcept { return length_; }
  [[nodiscard]] green& front() noexcept { return list_.front(); }

  void push_back(green& g) noexcept {
    list_.push_back(g);
    ++length_;
  }
  void push_front(green& g) noexcept {
    list_.push_front(g);
    ++length_;
  }
  green& pop() noexcept {
    --length_;
    return list_.pop_front();
  }
  void reset() noexcept {
    list_.reset();
    length_ = 0;
  }

 private:
  core::list<green, ready_tag> list_;
  unsigned length_ = 0;
};

/// The right to run green threads, as Go's P: there are as many as workers may run at a time. Who
/// holds one runs the threads of its queue. A worker that is stuck in a call of the kernel's has it
/// taken away by the monitor and given to another (monitor.hpp).
///
/// Where there is only one, whoever holds it may touch all that the machine keeps. With several
/// that takes the lock (kernel_lock.hpp), which also guards what is in here.
struct alignas(64) processor {
  ready_queue ready;

  /// Switches left until events are looked at although threads are ready.
  unsigned budget = 0;

  /// The worker that runs with it, or is in a call of the kernel's with it; null: it is idle.
  std::atomic<worker*> holder{nullptr};

  /// How long the threads that ran here lately did so at a time, in cycles of the time-stamp
  /// counter.
  std::uint64_t turn = 0;

  /// How often the lock had been waited for when events were last looked at.
  std::uint64_t lock_waits = 0;

  /// The switches also tell a thread that keeps the processor for long: they stand still.
  processor_statistics stats;
};

/// All of them, and who looks after those that are idle.
///
/// Idle processors have one worker that waits for events (the *poller*), unless those that run
/// switch so often that they see to events soon enough; others sleep. Work is found by whoever
/// becomes idle, in any queue. A thread that has had its share goes into the queue that all take
/// from, so that those that compute get the same share on whatever processor they were. A sleeper
/// is woken, one at a time, if what is ready would have to wait: for the turns of those before it,
/// or because whoever runs there computes. Every step is taken under the lock, so none is lost
/// between looking and sleeping.
class processor_set {
 public:
  static constexpr unsigned most = 256;

  [[nodiscard]] unsigned count() const noexcept { return count_; }
  /// Whether several workers may run at a time.
  [[nodiscard]] bool several() const noexcept { return count_ > 1; }
  /// To be said before there is a second thread.
  void set_count(unsigned count) noexcept {
    if (count > most) count = most;
    idle_ += count - count_;
    count_ = usable_ = count;
  }

  [[nodiscard]] processor& operator[](unsigned i) noexcept { return all_[i]; }
  processor* begin() noexcept { return all_; }
  processor* end() noexcept { return all_ + count_; }
  const processor* begin() const noexcept { return all_; }
  const processor* end() const noexcept { return all_ + count_; }

  /// How many may be held at a time: all, unless the process was given fewer since. Any thread.
  void limit(unsigned usable) noexcept {
    usable_.store(usable < count_ ? usable : count_, std::memory_order_relaxed);
  }
  /// Whether more are held than may be.
  [[nodiscard]] bool exceed_limit() const noexcept {
    return held() > usable_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] unsigned held() const noexcept { return count_ - idle_; }
  /// How many are held by nobody and may be.
  [[nodiscard]] unsigned idle() const noexcept {
    const unsigned usable = usable_.load(std::memory_order_relaxed);
    return held() < usable ? usable - held() : 0;
  }
  /// One of those, with something in its queue if there is such a one; null: there is none.
  [[nodiscard]] processor* find_idle() noexcept;
  /// The longest queue's.
  [[nodiscard]] processor& busiest() noexcept;
  /// Whether any thread is ready.
  [[nodiscard]] bool is_anything_ready() noexcept {
    return !shared.empty() || !busiest().ready.empty();
  }

  /// Makes w the holder of p, which is idle.
  void occupy(processor& p, worker& w) noexcept;
  /// Makes idle the one that w holds.
  void vacate(worker& w) noexcept;
  /// All are idle, and empty, but the first, which w holds.
  void reset(worker& w) noexcept;

  /// Of all of them: who has had its share. It is behind whoever became ready before it, wherever.
  ready_queue shared;
  std::uint64_t arrivals = 0; // in all queues

  /// Who waits for events while its processor is idle, until when, and whether it was called to
  /// work, or another worker was, and has not begun yet.
  worker* poller = nullptr;
  std::int64_t polls_until = 0;
  std::atomic<bool> help_is_coming{false};

 private:
  unsigned count_ = 1;
  std::atomic<unsigned> usable_{1};
  unsigned idle_ = 1;
  processor all_[most];
};

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <semaphore>
#include <thread>
#include <utility>

#include "bench/micro/cases.hpp"

namespace {

/// What fits into a thread's own pair of a mutex and a condition.
class queue {
 public:
  explicit queue(std::size_t capacity) : capacity_(capacity) {}
  void put(int value) {
    std::unique_lock held(lock_);
    room_.wait(held, [this] { return items_.size() < capacity_; });
    items_.push_back(value);
    filled_.notify_one();
  }
  int get() {
    std::unique_lock held(lock_);
    filled_.wait(held, [this] { return !items_.empty(); });
    const int value = items_.front();
    items_.pop_front();
    room_.notify_one();
    return value;
  }

 private:
  std::size_t capacity_;
  std::mutex lock_;
  std::condition_variable room_, filled_;
  std::deque<int> items_;
};

struct library {
  using handle = std::thread;
  using mutex = std::mutex;
  using condition_variable = std::condition_variable;
  using semaphore = std::counting_semaphore<>;
  using queue = ::queue;
  struct channel : ::queue {
    channel() : ::queue(1) {}
    void send(int value) { put(value); }
    int receive() { return get(); }
  };

  static constexpr std::size_t most = 10'000; // as many as most systems allow
  static constexpr bool own_exceptions = true;

  template <class F>
  static handle spawn(F&& f) {
    return std::thread(std::forward<F>(f));
  }
  static void yield() { std::this_thread::yield(); }
  template <class Span>
  static void sleep(Span span) {
    std::this_thread::sleep_for(span);
  }
  static void abandon(handle& thread) { thread.detach(); }
  static void count(std::size_t& n) { __atomic_fetch_add(&n, 1, __ATOMIC_RELAXED); }
};

/// Of a program of one thread, for which the C library leaves locked instructions out.
void mutex_alone(benchmark::State& state) {
  std::mutex mutex;
  bench::lock_and_unlock(state, mutex);
}

} // namespace

int main(int argc, char** argv) {
  bench::register_cases<library>();
  bench::add("mutex_alone", &mutex_alone);
  bench::run_program(argc, argv);
}

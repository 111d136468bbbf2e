// SPDX-License-Identifier: BSL-1.0
// The least that C++20 coroutines can cost: a task, a ready queue and a generator written by hand,
// of one thread, without time, cancellation or I/O.
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "bench/micro/coroutines.hpp"

namespace {

/// A ring of coroutines to resume.
class ready_queue {
 public:
  void push(std::coroutine_handle<> one) {
    if (count_ == items_.size()) grow();
    items_[(first_ + count_++) & (items_.size() - 1)] = one;
  }
  void run() {
    while (count_ > 0) {
      const auto one = items_[first_];
      first_ = (first_ + 1) & (items_.size() - 1);
      --count_;
      one.resume();
    }
  }

 private:
  void grow() {
    std::vector<std::coroutine_handle<>> larger(items_.empty() ? 64 : 2 * items_.size());
    for (std::size_t i = 0; i < count_; ++i)
      larger[i] = items_[(first_ + i) & (items_.size() - 1)];
    items_ = std::move(larger);
    first_ = 0;
  }
  std::vector<std::coroutine_handle<>> items_;
  std::size_t first_ = 0, count_ = 0;
};
ready_queue ready;

template <class T>
struct result_of {
  void return_value(T result) { value = result; }
  T take() { return *value; }
  std::optional<T> value;
};
template <>
struct result_of<void> {
  void return_void() {}
  void take() {}
};

/// Lazy; awaited once, or detached, when it destroys itself.
template <class T>
class task {
 public:
  struct promise_type : result_of<T> {
    task get_return_object() { return task(handle::from_promise(*this)); }
    static std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept {
      struct awaiter {
        static bool await_ready() noexcept { return false; }
        std::coroutine_handle<>
        await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
          if (auto next = ended.promise().continuation) return next;
          ended.destroy();
          return std::noop_coroutine();
        }
        void await_resume() const noexcept {}
      };
      return awaiter{};
    }
    void unhandled_exception() { error = std::current_exception(); }
    std::coroutine_handle<> continuation;
    std::exception_ptr error;
  };
  using handle = std::coroutine_handle<promise_type>;

  task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  task& operator=(task&&) = delete;
  ~task() {
    if (coroutine_) coroutine_.destroy();
  }
  std::coroutine_handle<> detach() { return std::exchange(coroutine_, nullptr); }

  static bool await_ready() noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    coroutine_.promise().continuation = awaiting;
    return coroutine_;
  }
  T await_resume() {
    if (coroutine_.promise().error) std::rethrow_exception(coroutine_.promise().error);
    return coroutine_.promise().take();
  }

 private:
  explicit task(handle coroutine) : coroutine_(coroutine) {}
  handle coroutine_;
};

struct library {
  template <class T>
  using task = ::task<T>;

  static void spawn(task<void>&& one) { ready.push(one.detach()); }
  static void run() { ready.run(); }
  static auto yield() {
    struct awaiter {
      static bool await_ready() noexcept { return false; }
      static void await_suspend(std::coroutine_handle<> self) { ready.push(self); }
      void await_resume() const noexcept {}
    };
    return awaiter{};
  }

  struct gathering {
    long sum = 0;
    int left = 10;
    std::coroutine_handle<> waiting;
    bool await_ready() const noexcept { return left == 0; }
    void await_suspend(std::coroutine_handle<> self) noexcept { waiting = self; }
    [[nodiscard]] long await_resume() const noexcept { return sum; }
  };
  static task<void> add(task<long> one, gathering& to) {
    to.sum += co_await one;
    if (--to.left == 0) ready.push(to.waiting);
  }
  template <class Make>
  static task<long> sum_of(Make make) {
    gathering all;
    for (long i = 0; i < 10; ++i)
      spawn(add(make(i), all));
    co_return co_await all;
  }
};

class generator {
 public:
  struct promise_type {
    generator get_return_object() {
      return generator(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    static std::suspend_always initial_suspend() noexcept { return {}; }
    static std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(int next) noexcept {
      value = next;
      return {};
    }
    static void return_void() noexcept {}
    static void unhandled_exception() { throw; }
    int value = 0;
  };
  generator(const generator&) = delete;
  generator& operator=(const generator&) = delete;
  ~generator() { coroutine_.destroy(); }
  int next() {
    coroutine_.resume();
    return coroutine_.promise().value;
  }

 private:
  explicit generator(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
  std::coroutine_handle<promise_type> coroutine_;
};

/// Not inlined, as one that is in another file.
[[gnu::noinline]] generator count_up() {
  for (int i = 0;; ++i)
    co_yield i;
}

void next_of_generator(benchmark::State& state) {
  generator numbers = count_up();
  for (auto _ : state)
    for (int i = 0; i < 1000; ++i)
      benchmark::DoNotOptimize(numbers.next());
  state.counters["operations"] = 1000;
}

} // namespace

int main(int argc, char** argv) {
  bench::coroutines::register_cases<library>();
  bench::add("generator", &next_of_generator);
  bench::run_program(argc, argv);
}

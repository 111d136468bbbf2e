// SPDX-License-Identifier: BSL-1.0
#include <boost/coroutine2/all.hpp>
#include <boost/fiber/all.hpp>

#include <memory>
#include <utility>

#include "bench/micro/cases.hpp"

namespace {

namespace fibers = boost::fibers;

/// The fastest that Boost.Fiber offers: pooled stacks, queued (not run inline) as weft's are.
fibers::pooled_fixedsize_stack& stacks() {
  static fibers::pooled_fixedsize_stack pool(16 << 10);
  return pool;
}

struct library {
  using handle = fibers::fiber;
  using mutex = fibers::mutex;
  using condition_variable = fibers::condition_variable;
  using promise = fibers::promise<int>;
  struct channel : fibers::unbuffered_channel<int> {
    void send(int value) { push(value); }
    int receive() { return value_pop(); }
  };
  struct queue : fibers::buffered_channel<int> {
    using buffered_channel::buffered_channel;
    void put(int value) { push(value); }
    int get() { return value_pop(); }
  };
  using numbers = boost::coroutines2::coroutine<int>;

  static constexpr std::size_t most = 100'000; // a million take it a minute

  template <class F>
  static handle spawn(F&& f) {
    return {fibers::launch::post, std::allocator_arg, stacks(), std::forward<F>(f)};
  }
  template <class F>
  static auto start(F&& f) {
    return fibers::async(fibers::launch::post, std::allocator_arg, stacks(), std::forward<F>(f));
  }
  template <class F>
  static handle spawn_with_stack(std::size_t bytes, F&& f) {
    // With a guard page, as weft's have.
    return {fibers::launch::post, std::allocator_arg, fibers::protected_fixedsize_stack(bytes),
            std::forward<F>(f)};
  }
  static void yield() { boost::this_fiber::yield(); }
  template <class Span>
  static void sleep(Span span) {
    boost::this_fiber::sleep_for(span);
  }
  static void abandon(handle& fiber) { fiber.detach(); }
  static void count(std::size_t& n) { ++n; }
  static numbers::pull_type count_up() {
    return numbers::pull_type([](numbers::push_type& yield) {
      for (int i = 0;; ++i)
        yield(i);
    });
  }
  static int next(numbers::pull_type& from) { return from().get(); }
};

} // namespace

int main(int argc, char** argv) {
  bench::register_cases<library>();
  bench::run_program(argc, argv);
}

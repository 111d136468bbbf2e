// SPDX-License-Identifier: BSL-1.0
#include "weft/weft.hpp"

#include <utility>

#include "bench/micro/cases.hpp"

namespace {

struct library {
  using handle = weft::task<void>;
  using mutex = weft::mutex;
  using condition_variable = weft::condition_variable;
  using semaphore = weft::semaphore;
  using promise = weft::promise<int>;
  using queue = weft::queue<int>;
  struct channel : weft::channel<int> {
    int receive() { return *weft::channel<int>::receive(); }
  };

  static constexpr std::size_t most = 1'000'000;
  static constexpr bool own_exceptions = true;

  template <class F>
  static handle spawn(F&& f) {
    return weft::spawn(std::forward<F>(f));
  }
  template <class F>
  static auto start(F&& f) {
    return weft::spawn(std::forward<F>(f));
  }
  template <class F>
  static handle spawn_with_stack(std::size_t bytes, F&& f) {
    return weft::spawn({.stack_size = bytes}, std::forward<F>(f));
  }
  static void yield() { weft::yield(); }
  template <class Span>
  static void sleep(Span span) {
    weft::sleep(span);
  }
  static void abandon(handle&) {}
  static void count(std::size_t& n) { ++n; }
  template <class Span>
  static void set_and_cancel_timer(Span span) {
    const weft::timeout_scope scope(span);
  }
  static weft::generator<int> count_up() {
    return {[](auto& yield) {
      for (int i = 0;; ++i)
        yield(i);
    }};
  }
  static int next(weft::generator<int>& numbers) { return *numbers.next(); }
};

} // namespace

int main(int argc, char** argv) {
  bench::register_cases<library>();
  bench::run_program(argc, argv);
}

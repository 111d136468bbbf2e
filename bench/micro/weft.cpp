// SPDX-License-Identifier: BSL-1.0
#include <utility>

#include "bench/micro/cases.hpp"
#include "weft/weft.hpp"

namespace {

struct library {
  using handle = weft::task<void>;
  using mutex = weft::mutex;
  using condition_variable = weft::condition_variable;
  using semaphore = weft::semaphore;

  template <class F>
  static handle spawn(F&& f) {
    return weft::spawn(std::forward<F>(f));
  }
  template <class F>
  static auto start(F&& f) {
    return weft::spawn(std::forward<F>(f));
  }
  static void yield() { weft::yield(); }
  template <class Span>
  static void sleep(Span span) {
    weft::sleep(span);
  }
  static void after_unlock() {} // it was handed over
  static void abandon(handle&) {}
};

} // namespace

int main(int argc, char** argv) {
  bench::register_cases<library>(1'000'000);
  bench::run_program(argc, argv);
}

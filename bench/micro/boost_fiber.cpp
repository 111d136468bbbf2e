// SPDX-License-Identifier: BSL-1.0
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

  template <class F>
  static handle spawn(F&& f) {
    return {fibers::launch::post, std::allocator_arg, stacks(), std::forward<F>(f)};
  }
  template <class F>
  static auto start(F&& f) {
    return fibers::async(fibers::launch::post, std::allocator_arg, stacks(), std::forward<F>(f));
  }
  static void yield() { boost::this_fiber::yield(); }
  template <class Span>
  static void sleep(Span span) {
    boost::this_fiber::sleep_for(span);
  }
  static void after_unlock() { yield(); }
  static void abandon(handle& fiber) { fiber.detach(); }
};

extern "C" {
struct transfer {
  void* from;
  void* data;
};
void* make_fcontext(void* top, std::size_t size, void (*entry)(transfer));
transfer jump_fcontext(void* to, void* data);
}

/// Boost.Context's bare switch, there and back: what this machine is now, beside the machine that
/// the floor was measured on.
void bare_jump(benchmark::State& state) {
  static char stack[16 << 10];
  void* other = make_fcontext(stack + sizeof stack, sizeof stack, [](transfer t) {
    while (true)
      t = jump_fcontext(t.from, nullptr);
  });
  for (auto _ : state)
    other = jump_fcontext(other, nullptr).from;
  state.counters["operations"] = 2;
}

} // namespace

int main(int argc, char** argv) {
  bench::register_cases<library>(100'000); // a million take it a minute
  benchmark::RegisterBenchmark("bare_jump", &bare_jump)->MeasureProcessCPUTime();
  bench::run_program(argc, argv);
}

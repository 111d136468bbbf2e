// SPDX-License-Identifier: BSL-1.0
// Boost.Context's bare switch, without a scheduler: from one context to the other and back, through
// calls that save what the switch does not.
#include <cstddef>

#include "bench/micro/cases.hpp"

extern "C" {
struct transfer {
  void* from;
  void* data;
};
void* make_fcontext(void* top, std::size_t size, void (*entry)(transfer));
transfer jump_fcontext(void* to, void* data);
}

namespace {

struct library {
  static inline void* other;
  static void yield() { other = jump_fcontext(other, nullptr).from; }
};

template <int Frames>
void bare(benchmark::State& state) {
  static char stack[16 << 10];
  library::other = make_fcontext(stack + sizeof stack, sizeof stack, [](transfer t) {
    library::other = t.from;
    while (true)
      bench::deep<library, Frames>::yield();
  });
  for (auto _ : state)
    for (int i = 0; i < 1000; ++i)
      bench::deep<library, Frames>::yield();
  state.counters["operations"] = 2000;
}

} // namespace

int main(int argc, char** argv) {
  bench::add("yield/2", &bare<0>);
  bench::add("yield_2_frames/2", &bare<2>);
  bench::add("yield_6_frames/2", &bare<6>);
  bench::run_program(argc, argv);
}

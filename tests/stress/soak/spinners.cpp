// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <atomic>

namespace {

using namespace soak;

/// Threads that wait for an atomic flag and make no call meanwhile: each turn needs all others to
/// be made to give way.
void spinners(chance& c) {
  const int members = c.between(2, 4);
  const int rounds = c.between(1, 3);
  std::atomic<int> turn{0};
  long plain = 0; // passed on with the turn
  {
    std::vector<thread> all;
    for (int i = 0; i < members; ++i)
      all.emplace_back([&, i, own = c.split()]() mutable {
        for (int n = 0; n < rounds; ++n) {
          const int mine = n * members + i;
          while (turn.load(std::memory_order_acquire) != mine)
            ;
          expect_equal(plain, mine, "what was written before the flag was set");
          ++plain;
          if (own.one_in(4)) dawdle(own);
          turn.store(mine + 1, std::memory_order_release);
        }
      });
  }
  expect_equal(plain, long{members} * rounds, "turns of the spinners");
}

/// Floating-point sums that spinning neighbours interrupt anywhere, registers and all.
void sums(chance& c) {
  const int members = c.between(1, 4);
  std::atomic<bool> done{false};
  std::atomic<long> work{0}; // kept by whoever spins, so that it is no empty loop
  std::vector<thread> all;
  for (int i = 0; i < members; ++i)
    all.emplace_back([&] {
      while (!done.load(std::memory_order_acquire))
        work.fetch_add(1, std::memory_order_relaxed);
    });
  const int size = c.between(1, 200'000);
  double forward[4] = {};
  for (int n = 1; n <= size; ++n)
    for (int lane = 0; lane < 4; ++lane)
      forward[lane] += n + lane;
  done.store(true, std::memory_order_release);
  all.clear();
  for (int lane = 0; lane < 4; ++lane)
    expect_equal(static_cast<long>(forward[lane]), long{size} * (size + 1) / 2 + long{size} * lane,
                 "a sum in floating point");
}

const scenes registered{{"spinners", spinners}, {"sums", sums}};

} // namespace

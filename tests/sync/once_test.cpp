// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <memory>
#include <stdexcept>

#include "tests/sync/errors.hpp"
#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

TEST(once, calls_once_and_all_wait_for_it) {
  once_flag flag;
  int calls = 0, through = 0;
  std::vector<task<void>> all;
  for (int i = 0; i < 5; ++i)
    all.push_back(spawn([&] {
      call_once(flag, [&] {
        sleep(1ms);
        ++calls;
      });
      EXPECT_EQ(calls, 1);
      ++through;
    }));
  yield();
  EXPECT_EQ(through, 0);
  EXPECT_FALSE(flag.done());
  for (auto& t : all)
    t.get();
  EXPECT_TRUE(flag.done());
  EXPECT_EQ(calls, 1);
}

TEST(once, an_exception_lets_the_next_try) {
  once_flag flag;
  std::string tries;
  std::vector<task<void>> all;
  for (int i = 0; i < 5; ++i)
    all.push_back(spawn([&, i] {
      call_once(flag, [&] {
        yield();
        tries += static_cast<char>('0' + i);
        if (i < 2) throw std::runtime_error("not yet");
      });
    }));
  for (auto& t : all)
    t.join();
  EXPECT_EQ(tries, "012");
  EXPECT_THROW(all[0].get(), std::runtime_error);
  EXPECT_THROW(all[1].get(), std::runtime_error);
  EXPECT_NO_THROW(all[2].get());
  EXPECT_NO_THROW(all[4].get());

  once_flag alone;
  EXPECT_THROW(call_once(alone, [] { throw std::runtime_error("not yet"); }), std::runtime_error);
  bool called = false;
  call_once(alone, [&] { called = true; });
  EXPECT_TRUE(called);
}

TEST(once, a_cancelled_call_lets_the_next_try) {
  once_flag flag;
  auto first = spawn([&] { call_once(flag, [] { sleep(ages); }); });
  bool called = false;
  auto second = spawn([&] { call_once(flag, [&] { called = true; }); });
  yield();
  first.cancel();
  first.join();
  EXPECT_TRUE(first.was_cancelled());
  second.get();
  EXPECT_TRUE(called);
}

TEST(once, a_cancelled_waiter_leaves_and_the_turn_passes_it_by) {
  once_flag flag;
  event go;
  auto first = spawn([&] {
    call_once(flag, [&] {
      go.wait();
      throw std::runtime_error("not yet");
    });
  });
  auto leaver = spawn([&] { call_once(flag, [] { ADD_FAILURE(); }); });
  bool called = false;
  auto third = spawn([&] { call_once(flag, [&] { called = true; }); });
  yield();
  leaver.cancel();
  leaver.join();
  EXPECT_TRUE(leaver.was_cancelled());
  EXPECT_FALSE(first.done());
  go.set();
  third.get();
  EXPECT_TRUE(called);
  EXPECT_THROW(first.get(), std::runtime_error);
}

TEST(once, cancelled_after_it_got_the_turn_the_turn_is_not_lost) {
  once_flag flag;
  event go;
  auto first = spawn([&] {
    call_once(flag, [&] {
      go.wait();
      throw std::runtime_error("not yet");
    });
  });
  auto second = spawn([&] { call_once(flag, [] { yield(); }); });
  bool called = false;
  auto third = spawn([&] { call_once(flag, [&] { called = true; }); });
  yield();
  go.set();
  first.join();
  second.cancel(); // it was woken, and has not run yet, or is in the middle of its call
  third.get();
  second.join();
  EXPECT_THROW(first.get(), std::runtime_error);
  EXPECT_TRUE(called != !second.was_cancelled());
}

TEST(once, takes_arguments_as_invoke_does) {
  once_flag flag;
  struct counter {
    void add(std::unique_ptr<int> n) { total += *n; }
    int total = 0;
  } c;
  call_once(flag, &counter::add, c, std::make_unique<int>(5));
  call_once(flag, &counter::add, c, std::make_unique<int>(5));
  EXPECT_EQ(c.total, 5);
}

TEST(once, within_its_own_call) {
  once_flag flag;
  call_once(flag, [&] {
    EXPECT_EQ(error_of([&] { call_once(flag, [] {}); }), std::errc::resource_deadlock_would_occur);
  });
  EXPECT_TRUE(flag.done());
}

TEST(once, inside_callbacks) {
  once_flag flag;
  auto t = spawn([&] { call_once(flag, [] { sleep(1ms); }); });
  yield();
  in_callback([&] { EXPECT_THROW(call_once(flag, [] {}), std::logic_error); });
  t.get();
  in_callback([&] {
    call_once(flag, [] { ADD_FAILURE(); });
    once_flag another;
    call_once(another, [] {});
    EXPECT_TRUE(another.done());
  });
}

class once_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, once_at, all_places, name_of);

TEST_P(once_at, calls_until_one_succeeds) {
  for (int round = 0; round < 30; ++round) {
    once_flag flag;
    int value = 0, tries = 0;
    std::atomic<int> failures{0};
    run_at(GetParam(), 6, [&](int) {
      try {
        call_once(flag, [&] {
          if (++tries <= 2) {
            yield();
            throw std::runtime_error("not yet");
          }
          value = round + 1;
        });
        EXPECT_EQ(value, round + 1);
      } catch (const std::runtime_error&) {
        ++failures;
      }
    });
    EXPECT_EQ(failures, 2);
    EXPECT_EQ(tries, 3);
  }
}

TEST_P(once_at, in_static_storage) {
  static constinit std::array<once_flag, 4> flags;
  static std::array<std::atomic<int>, 4> calls;
  const auto which = static_cast<std::size_t>(GetParam());
  run_at(GetParam(), 4, [&](int) { call_once(flags[which], [&] { ++calls[which]; }); });
  EXPECT_EQ(calls[which], 1);
}

} // namespace
} // namespace weft::test

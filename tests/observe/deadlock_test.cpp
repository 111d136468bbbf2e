// SPDX-License-Identifier: BSL-1.0
// Deadlocks of some fibers, found on request, and of all, reported with places.
#include "tests/observe/frames.hpp"

namespace weft::test {

[[gnu::noinline]] void place_of_no_return(event& e) {
  e.wait();
  asm volatile("");
}

namespace {

TEST(find_deadlocks, rings_are_found_and_others_are_not) {
  weft::run([] {
    EXPECT_TRUE(find_deadlocks().empty());
    any_task a, b, c;
    a = spawn({.name = "a"}, [&] { b.join(); });
    b = spawn({.name = "b"}, [&] { c.get(); });
    c = spawn({.name = "c"}, [&] { a.wait(); });
    any_task x, y;
    x = spawn({.name = "x"}, [&] { y.join(60s); }); // ends some day
    y = spawn({.name = "y"}, [&] { x.join(); });
    auto outside = spawn({.name = "outside"}, [&] { a.join(); });
    auto sleeping = spawn([] { sleep(60s); });
    auto joins_sleeping = spawn([&] { sleeping.join(); });
    yield();
    const auto found = find_deadlocks();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].text, "fiber a waits in join for fiber b, which waits in get for fiber c, "
                             "which waits in wait for fiber a");
    ASSERT_EQ(found[0].fibers.size(), 3u);
    EXPECT_EQ(found[0].fibers[0], a);
    EXPECT_EQ(found[0].fibers[2], c);
    found[0].fibers[1].cancel();
    joinall({a, b, c});
    outside.join();
    EXPECT_TRUE(find_deadlocks().empty());
    killall({x, y, any_task(sleeping), any_task(joins_sleeping)});
  });
}

TEST(find_deadlocks, two_rings) {
  weft::run([] {
    any_task one[2], two[2];
    for (auto* ring : {one, two})
      for (int i = 0; i < 2; ++i)
        ring[i] = spawn([ring, i] { ring[1 - i].join(); });
    yield();
    EXPECT_EQ(find_deadlocks().size(), 2u);
    killall({one[0], one[1], two[0], two[1]});
  });
}

TEST(find_deadlocks, across_hubs) {
  any_task here, there;
  std::atomic<bool> there_is_set{false}, here_is_set{false};
  std::thread other([&] {
    weft::run([&] {
      there = spawn({.name = "there"}, [&] {
        while (!here_is_set)
          sleep(100us);
        here.join();
      });
      there_is_set = true;
      there.join();
    });
  });
  while (!there_is_set)
    std::this_thread::yield();
  weft::run([&] {
    here = spawn({.name = "here"}, [&] { there.join(); });
    here_is_set = true;
    std::vector<deadlock_cycle> found;
    for (int i = 0; i < 2000 && found.empty(); ++i, sleep(1ms))
      found = find_deadlocks(5s);
    EXPECT_EQ(found.size(), 1u);
    if (!found.empty()) {
      EXPECT_EQ(found[0].fibers.size(), 2u);
      EXPECT_TRUE(holds_in_order(found[0].text, {" waits in join for fiber "}));
    }
    here.kill();
  });
  other.join();
}

TEST(deadlock_error, tells_what_each_waits_on_and_where) {
  event e;
  auto first = spawn({.name = "first"}, [&] { place_of_no_return(e); });
  auto second = spawn({.name = "second"}, [&] { first.join(); });
  try {
    second.get();
    ADD_FAILURE();
  } catch (const deadlock_error& error) {
    const std::string text = error.what();
    EXPECT_TRUE(holds_in_order(text, {"this operation would block for ever", "\n  fiber first (",
                                      "parked in event::wait", "\n  fiber second (",
                                      "parked in join of fiber first"}));
    EXPECT_TRUE(holds_in_order(text, {"fiber main (", "parked in get of fiber second"}));
    EXPECT_TRUE(holds_frames(text, {"\n    at ", "place_of_no_return"}));
    EXPECT_NE(text.back(), '\n');
  }
  e.set();
  second.join();
}

} // namespace
} // namespace weft::test

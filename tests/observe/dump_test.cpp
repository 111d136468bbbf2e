// SPDX-License-Identifier: BSL-1.0
// What every fiber does, and where.
#include "tests/observe/frames.hpp"

namespace weft::test {

// Functions with names that the dynamic linker knows, each a frame of its own.
[[gnu::noinline]] void innermost_place(event& e) {
  e.wait();
  asm volatile("");
}
[[gnu::noinline]] void outer_place(event& e) {
  innermost_place(e);
  asm volatile("");
}
[[gnu::noinline]] std::string dump_from_here() {
  std::string text = dumped();
  asm volatile("");
  return text;
}
[[gnu::noinline]] void place_in_generator(event& e) {
  e.wait();
  asm volatile("");
}

namespace {

std::string part_about(const std::string& text, const std::string& fiber) {
  const auto from = text.find("fiber " + fiber + " (");
  if (from == std::string::npos) return {};
  const auto to = text.find("\n  fiber ", from);
  return text.substr(from, to - from);
}

TEST(dump, names_states_reasons_spawners_and_stacks) {
  weft::run(
      [] {
        event e;
        auto waiting = spawn({.name = "waiting"}, [&] { outer_place(e); });
        auto joining = spawn({.name = "joining"}, [&] { waiting.join(); });
        auto limited = spawn({.name = "limited"}, [&] { static_cast<void>(waiting.join(60s)); });
        auto later = spawn_later(60s, [] {});
        yield();
        auto fresh = spawn({.name = "fresh"}, [] {});
        const std::string text = dump_from_here();
        const std::string spawner = ", spawned by " + std::to_string(current().id());

        const std::string about_waiting = part_about(text, "waiting");
        EXPECT_TRUE(holds_in_order(about_waiting, {"parked in event::wait for 0.", spawner}));
        EXPECT_TRUE(holds_frames(about_waiting, {"innermost_place", "outer_place"}));
        EXPECT_TRUE(holds_in_order(part_about(text, "joining"),
                                   {"parked in join of fiber waiting for 0.", spawner}));
        EXPECT_TRUE(holds_in_order(part_about(text, "limited"),
                                   {"parked in join of fiber waiting", "for another ", "at most"}));
        EXPECT_TRUE(holds_in_order(part_about(text, "fresh"), {"not started yet"}));
        EXPECT_TRUE(holds_in_order(part_about(text, later.name()), {"to be started later"}));
        EXPECT_TRUE(holds_in_order(part_about(text, "the runner"), {"running", "dump_from_here"}));
        EXPECT_TRUE(
            holds_in_order(part_about(text, "main"), {"parked in join of fiber the runner"}));
        later.kill();
        fresh.join();
        e.set();
        joinall(waiting, joining, limited);
      },
      {.name = "the runner"});
}

TEST(dump, as_many_frames_as_asked_for) {
  weft::run([] {
    event e;
    auto waiting = spawn([&] { outer_place(e); });
    yield();
    const std::string none = dumped({.frames = 0});
    EXPECT_EQ(none.find("    at "), std::string::npos) << none;
    const std::string one = describe(waiting, {.frames = 1});
    EXPECT_EQ(std::count(one.begin(), one.end(), '\n'), stacks_can_be_read ? 2 : 1) << one;
    e.set();
    waiting.join();
    EXPECT_TRUE(holds_in_order(describe(waiting), {"at its end"}));
  });
}

TEST(dump, through_generators) {
  if (!stacks_can_be_read) GTEST_SKIP() << "stacks are read on x86-64 only";
  weft::run([] {
    event e;
    auto waiting = spawn({.name = "waiting"}, [&] {
      generator<int> numbers([&](auto& give) {
        place_in_generator(e);
        give(1);
      });
      EXPECT_EQ(numbers.next(), 1);
    });
    yield();
    EXPECT_TRUE(holds_in_order(describe(waiting), {"place_in_generator", "\n    at "}));
    e.set();
    waiting.get();
  });
}

TEST(dump, of_a_fiber_in_a_handler_and_while_unwinding) {
  weft::run([] {
    event e;
    struct waits_at_end {
      event& e;
      ~waits_at_end() { innermost_place(e); }
    };
    auto waiting = spawn([&] {
      try {
        const waits_at_end w{e};
        throw 1;
      } catch (int) {
        sleep(1ms);
      }
    });
    yield();
    EXPECT_TRUE(holds_frames(describe(waiting), {"innermost_place"}));
    e.set();
    yield();
    EXPECT_TRUE(holds_in_order(describe(waiting), {"parked in sleep"}));
    waiting.get();
  });
}

TEST(dump, hubs_of_other_threads_describe_themselves) {
  std::atomic<bool> ready{false}, end{false};
  event e;
  std::thread other([&] {
    weft::run(
        [&] {
          auto waiting = spawn({.name = "elsewhere"}, [&] { outer_place(e); });
          yield();
          ready = true;
          waiting.join();
        },
        {.name = "their runner"});
  });
  while (!ready)
    std::this_thread::yield();
  // From a thread without a hub, and from one with.
  std::string text;
  std::atomic<bool> dumped_there{false};
  std::thread bare([&] {
    text = dumped({.patience = 20s});
    EXPECT_FALSE(current().valid());
    dumped_there = true;
  });
  weft::run([&] { // this thread may have a hub, which has to answer
    while (!dumped_there)
      sleep(1ms);
  });
  bare.join();
  EXPECT_TRUE(holds_in_order(text, {"thread ", "fiber elsewhere (", "parked in event::wait"}));
  EXPECT_TRUE(holds_in_order(text, {"this thread has no hub"}));
  EXPECT_TRUE(holds_frames(text, {"innermost_place", "outer_place"}));
  weft::run([&] { text = dumped({.patience = 20s}); }, {.name = "mine"});
  EXPECT_TRUE(holds_in_order(text, {"fiber elsewhere ("}));
  EXPECT_TRUE(holds_in_order(text, {"(this one)", "fiber mine ("}));
  e.set();
  other.join();
}

TEST(dump, a_busy_hub_is_listed_as_such) {
  std::atomic<bool> ready{false}, end{false};
  std::thread other([&] {
    spawn([&] {
      ready = true;
      while (!end)
        std::this_thread::yield();
    }).join();
  });
  while (!ready)
    std::this_thread::yield();
  EXPECT_TRUE(holds_in_order(dumped({.patience = 5ms}), {"busy, did not answer within 5 ms"}));
  end = true;
  other.join(); // the question comes too late, and does no harm
}

TEST(dump, in_a_callback) {
  weft::run([] {
    event e;
    auto waiting = spawn({.name = "waiting"}, [&] { outer_place(e); });
    std::string text;
    auto call = call_later(1ms, [&] { text = dumped(); });
    while (call.active())
      sleep(1ms);
    EXPECT_TRUE(holds_in_order(text, {"fiber waiting (", "parked in event::wait"}));
    e.set();
    waiting.join();
  });
}

TEST(dump, many_fibers) {
  weft::run([] {
    event e;
    std::vector<task<void>> all;
    for (int i = 0; i < 1000; ++i)
      all.push_back(spawn([&] { outer_place(e); }));
    yield();
    const std::string text = dumped();
    std::size_t places = 0;
    for (std::size_t at = 0; (at = text.find("outer_place", at)) != std::string::npos; ++at)
      ++places;
    EXPECT_EQ(places, stacks_can_be_read ? 1000u : 0u);
    e.set();
    joinall(all);
  });
}

TEST(dump, misuse) {
  EXPECT_THROW(static_cast<void>(describe(any_task())), future_error);
  promise<int> p;
  EXPECT_TRUE(holds_in_order(describe(p.get_future()), {"future: not at its end"}));
}

} // namespace
} // namespace weft::test

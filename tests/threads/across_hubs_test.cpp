// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/threads/hubs_at_work.hpp"

namespace weft::test {
namespace {

TEST(across_hubs, cancelled_where_it_waits_and_unwound_on_its_own_hub) {
  run(
      [] {
        const hub_handle there = hubs()[1];
        struct local {
          ~local() { destroyed_on = std::this_thread::get_id(); }
          std::thread::id& destroyed_on;
        };
        std::thread::id began_on, destroyed_on;
        promise<void> began;
        auto t = spawn_on(there, [&] {
          began_on = std::this_thread::get_id();
          const local l{destroyed_on};
          began.set_value();
          sleep(1h);
        });
        began.get_future().get();
        EXPECT_TRUE(t.cancel());
        EXPECT_THROW(t.get(), task_cancelled);
        EXPECT_NE(began_on, std::this_thread::get_id());
        EXPECT_EQ(destroyed_on, began_on);
        EXPECT_FALSE(t.cancel());
      },
      {.workers = 2});
}

TEST(across_hubs, cancelled_before_it_began_it_never_runs) {
  run(
      [] {
        occupied other(hubs()[1]);
        bool called_back = false, ran = false;
        const auto held = std::make_shared<int>(0);
        auto sent = spawn_on(hubs()[1], [&ran, held] { ran = true; });
        auto any = spawn_any([&ran, held] { ran = true; });
        auto thrown = spawn_any([&ran, held] { ran = true; });
        any.add_done_callback([&] { called_back = true; });
        std::stop_token stop = stop_token_of(any);
        EXPECT_TRUE(sent.cancel());
        EXPECT_TRUE(any.cancel());
        EXPECT_TRUE(stop.stop_requested());
        EXPECT_TRUE(throw_into(thrown, std::out_of_range("thrown")));
        EXPECT_THROW(any.get(), task_cancelled);
        EXPECT_THROW(thrown.get(), std::out_of_range);
        EXPECT_TRUE(called_back);
        EXPECT_FALSE(sent.done());
        other.let_go();
        EXPECT_THROW(sent.get(), task_cancelled);
        EXPECT_FALSE(ran);
        EXPECT_EQ(held.use_count(), 1);
      },
      {.workers = 2});
}

TEST(across_hubs, kill_waits_and_a_swallowed_request_leaves_the_value) {
  run(
      [] {
        const hub_handle there = hubs()[1];
        auto stubborn = spawn_on(there, [] {
          try {
            sleep(1h);
          } catch (const cancelled&) {
            sleep(5ms);
          }
          return 3;
        });
        sleep(2ms);
        stubborn.kill();
        EXPECT_TRUE(stubborn.done());
        EXPECT_EQ(stubborn.get(), 3);
        auto slow = spawn_on(there, [] { sleep(1h); });
        EXPECT_FALSE(slow.join(2ms));
        EXPECT_TRUE(slow.kill(10s));
      },
      {.workers = 2});
}

TEST(across_hubs, cancelling_who_waits_leaves_the_target_alone) {
  run(
      [] {
        event go;
        auto target = spawn_on(hubs()[1], [&] { go.wait(); });
        auto waits = spawn_on(hubs()[0], [&] { target.join(); });
        sleep(1ms);
        waits.kill();
        EXPECT_FALSE(target.done());
        go.set();
        target.get();
      },
      {.workers = 2});
}

TEST(across_hubs, joined_again_and_again_with_little_time) {
  run(
      [] {
        const hub_handle there = hubs()[1];
        for (int i = 0; i < 500; ++i) {
          auto t = spawn_on(there, [i] { compute_for(std::chrono::microseconds(i % 50)); });
          while (!t.join(20us)) {
          }
          EXPECT_TRUE(t.done());
        }
      },
      {.workers = 2});
}

/// Tasks on all hubs that end in reverse: each joins the next. The results are their places.
std::vector<task<int>> ending_in_reverse(int count, event& go) {
  const auto all = hubs();
  std::vector<task<int>> tasks(static_cast<std::size_t>(count));
  for (int i = count; i-- > 0;) {
    const any_task next = i + 1 < count ? any_task(tasks[i + 1]) : any_task();
    tasks[i] = spawn_on(all[i % all.size()], [i, next, &go] {
      go.wait();
      if (next.valid()) next.join();
      return i;
    });
  }
  return tasks;
}

TEST(across_hubs, waiting_for_many) {
  run(
      [] {
        event go, never;
        const auto tasks = ending_in_reverse(6, go);
        (void)spawn([&] { go.set(); });
        std::vector<int> order;
        for (auto& t : as_completed(tasks))
          order.push_back(t.get());
        EXPECT_EQ(order, (std::vector{5, 4, 3, 2, 1, 0}));
        EXPECT_EQ(gather(tasks).get(), (std::vector{0, 1, 2, 3, 4, 5}));
        auto stuck = spawn_on(hubs()[2], [&] { never.wait(); });
        const std::vector<any_task> both{stuck, spawn_on(hubs()[1], [] {})};
        auto [done, pending] = wait(both, {.when = first_completed});
        ASSERT_EQ(done.size(), 1u);
        EXPECT_EQ(done[0], both[1]);
        EXPECT_THROW(with_timeout(1ms, stuck), timeout_error);
        EXPECT_TRUE(stuck.was_cancelled());
        EXPECT_THROW(
            gather(spawn_on(hubs()[1], [] { throw std::out_of_range("x"); }), spawn_any([] {}))
                .get(),
            std::out_of_range);
        killall(both);
      },
      {.workers = 3});
}

TEST(across_hubs, those_that_ended_before_are_listed_in_their_order) {
  run(
      [] {
        event go;
        go.set();
        std::vector<task<int>> tasks = ending_in_reverse(6, go);
        // Not the caller's own hub: each hub counts its own, and all others together.
        std::erase_if(tasks, [](const auto& t) { return t.get() % 3 == 0; });
        std::vector<int> order;
        for (auto& t : joinall(tasks))
          order.push_back(t.get());
        EXPECT_EQ(order, (std::vector{5, 4, 2, 1}));
      },
      {.workers = 3});
}

TEST(across_hubs, locks_and_queues_count_exactly) {
  constexpr int fibers = 60, times = 200;
  std::int64_t guarded = 0, through_queue = 0, through_channel = 0;
  run(
      [&] {
        mutex m;
        semaphore permits(2);
        queue<int> q(8);
        channel<int> c(0);
        std::vector<task<void>> tasks;
        for (int i = 0; i < fibers; ++i)
          tasks.push_back(spawn_any([&, i] {
            for (int k = 0; k < times; ++k) {
              {
                const std::lock_guard held(m);
                ++guarded;
              }
              const std::lock_guard permit(permits);
              if (i % 2 == 0)
                q.put(1);
              else
                c.send(1);
            }
          }));
        auto from_queue = spawn_any([&] {
          for (int k = 0; k < fibers / 2 * times; ++k)
            through_queue += q.get();
        });
        auto from_channel = spawn_any([&] {
          for (int k = 0; k < fibers / 2 * times; ++k)
            through_channel += *c.receive();
        });
        joinall(tasks);
        from_queue.get();
        from_channel.get();
      },
      {.workers = 3});
  EXPECT_EQ(guarded, fibers * times);
  EXPECT_EQ(through_queue, fibers * times / 2);
  EXPECT_EQ(through_channel, fibers * times / 2);
}

TEST(across_hubs, who_they_are) {
  inherited_local<std::string> inherited;
  run(
      [&] {
        inherited.set("of main");
        std::mutex mutex;
        std::set<std::uint64_t> ids;
        std::vector<task<void>> tasks;
        for (int i = 0; i < 200; ++i)
          tasks.push_back(spawn_any([&] {
            EXPECT_EQ(*inherited, "of main");
            const auto mine = all_tasks();
            EXPECT_TRUE(std::any_of(mine.begin(), mine.end(),
                                    [](const any_task& t) { return t.id() == current().id(); }));
            const std::lock_guard held(mutex);
            ids.insert(current().id());
          }));
        joinall(tasks);
        EXPECT_EQ(ids.size(), tasks.size());
        auto named = spawn_on(hubs()[1], {.name = "napper"}, [] { sleep(1h); });
        sleep(2ms);
        std::ostringstream text;
        dump(text);
        EXPECT_NE(text.str().find("fiber napper"), std::string::npos) << text.str();
        EXPECT_THROW(spawn_any([] { current().join(); }).get(), deadlock_error);
      },
      {.workers = 2});
}

} // namespace
} // namespace weft::test

// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/threads/eventually.hpp"
#include "weft/weft.hpp"

namespace weft::test {
namespace {

TEST(from_std, parks_the_fiber_and_not_the_thread) {
  std::promise<int> theirs;
  auto ours = from_std(theirs.get_future());
  int ticks = 0;
  auto ticker = spawn([&] {
    for (; ticks < 3; ++ticks)
      sleep(1ms);
    theirs.set_value(7);
  });
  EXPECT_FALSE(ours.done());
  EXPECT_EQ(ours.get(), 7);
  EXPECT_EQ(ticks, 3);
}

TEST(from_std, of_one_that_is_ready) {
  std::promise<std::string> theirs;
  theirs.set_value("here");
  auto ours = from_std(theirs.get_future());
  EXPECT_TRUE(ours.done());
  EXPECT_EQ(ours.get(), "here");
}

TEST(from_std, results_of_every_kind) {
  EXPECT_EQ(*from_std(std::async([] { return std::make_unique<int>(1); })).get(), 1);
  int n = 0;
  std::promise<int&> reference;
  auto r = from_std(reference.get_future());
  reference.set_value(n);
  EXPECT_EQ(&r.get(), &n);
  from_std(std::async([&] { n = 5; })).get();
  EXPECT_EQ(n, 5);
  EXPECT_EQ(from_std(std::async([] { return 6; }).share()).get(), 6);
}

TEST(from_std, keeps_exceptions) {
  EXPECT_THROW(from_std(std::async([]() -> int { throw std::out_of_range("x"); })).get(),
               std::out_of_range);
  std::promise<void> failed;
  failed.set_exception(std::make_exception_ptr(5));
  EXPECT_THROW(from_std(failed.get_future()).get(), int);
  std::future<int> broken;
  {
    std::promise<int> gone;
    broken = gone.get_future();
  }
  EXPECT_THROW(from_std(std::move(broken)).get(), std::future_error);
}

TEST(from_std, a_deferred_one_runs) {
  auto theirs = std::async(std::launch::deferred, [] { return std::this_thread::get_id(); });
  EXPECT_NE(from_std(std::move(theirs)).get(), std::this_thread::get_id());
}

TEST(from_std, without_a_state_is_refused) {
  EXPECT_THROW((void)from_std(std::future<int>()), weft::future_error);
  EXPECT_THROW((void)from_std(std::shared_future<void>()), weft::future_error);
}

TEST(from_std, more_than_any_pool_has_threads) {
  std::vector<std::promise<int>> theirs(200);
  std::vector<future<int>> ours;
  for (auto& each : theirs)
    ours.push_back(from_std(each.get_future()));
  for (std::size_t i = theirs.size(); i-- > 0;)
    theirs[i].set_value(static_cast<int>(i));
  int sum = 0;
  for (auto& each : ours)
    sum += each.get();
  EXPECT_EQ(sum, 199 * 100);
}

TEST(from_std, cancelled_leaves_the_source) {
  std::promise<std::shared_ptr<int>> theirs;
  auto ours = from_std(theirs.get_future());
  EXPECT_TRUE(ours.cancel());
  EXPECT_THROW(ours.get(), task_cancelled);
  const auto value = std::make_shared<int>(1);
  theirs.set_value(value);
  theirs = {};
  EXPECT_TRUE(eventually([&] { return value.use_count() == 1; })); // received and dropped
}

TEST(to_std, of_a_task_waited_for_by_another_thread) {
  auto t = spawn([] {
    sleep(1ms);
    return std::string("done");
  });
  auto theirs = to_std(t);
  std::string seen;
  std::thread other([&] { seen = theirs.get(); });
  t.join();
  other.join();
  EXPECT_EQ(seen, "done");
  EXPECT_EQ(t.get(), "done"); // a copy
}

TEST(to_std, waited_for_on_a_hubs_own_thread) {
  // No callback has to run on this hub, which is blocked.
  auto theirs = to_std(to_thread([] {
    std::this_thread::sleep_for(5ms);
    return 4;
  }));
  EXPECT_EQ(theirs.get(), 4);
}

TEST(to_std, of_an_rvalue_moves_the_result) {
  auto theirs = to_std(spawn([] { return std::make_unique<int>(2); }));
  yield();
  EXPECT_EQ(*theirs.get(), 2);
  promise<std::unique_ptr<int>> p;
  p.set_value(std::make_unique<int>(3));
  EXPECT_EQ(*to_std(p.get_future()).get(), 3);
}

TEST(to_std, void_references_exceptions_and_cancellation) {
  int n = 0;
  promise<int&> reference;
  auto r = to_std(reference.get_future());
  reference.set_value(n);
  EXPECT_EQ(&r.get(), &n);
  auto nothing = to_std(spawn([&] { n = 1; }));
  auto failing = to_std(spawn([] { throw std::out_of_range("x"); }));
  auto victim = spawn([] {});
  auto gone = to_std(victim);
  victim.cancel();
  EXPECT_EQ(gone.wait_for(0s), std::future_status::timeout);
  victim.join();
  EXPECT_THROW(gone.get(), task_cancelled);
  nothing.get();
  EXPECT_EQ(n, 1);
  EXPECT_THROW(failing.get(), std::out_of_range);
  EXPECT_THROW((void)to_std(future<int>()), weft::future_error);
}

TEST(to_std, there_and_back) {
  EXPECT_EQ(from_std(to_std(from_std(to_std(spawn([] { return 9; }))))).get(), 9);
}

} // namespace
} // namespace weft::test

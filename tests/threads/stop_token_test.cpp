// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>

#include "tests/threads/eventually.hpp"
#include "weft/weft.hpp"

namespace weft::test {
namespace {

TEST(stop_token, is_requested_with_the_cancellation) {
  std::stop_token inside;
  auto t = spawn([&] {
    inside = this_fiber::stop_token();
    EXPECT_FALSE(inside.stop_requested());
    EXPECT_TRUE(inside.stop_possible());
    sleep(1h);
  });
  yield();
  const std::stop_token outside = stop_token_of(t);
  EXPECT_EQ(outside, inside);
  bool called = false;
  const std::stop_callback callback(outside, [&] {
    called = true;
    (void)spawn([] {}); // not blocking is all that is asked of it
  });
  EXPECT_TRUE(t.cancel());
  EXPECT_TRUE(inside.stop_requested()); // not delivered yet
  EXPECT_TRUE(called);
  EXPECT_FALSE(t.done());
  t.join();
  EXPECT_TRUE(t.was_cancelled());
}

TEST(stop_token, of_one_that_ends_by_itself_never) {
  auto t = spawn([] {});
  const std::stop_token token = stop_token_of(t);
  t.join();
  EXPECT_FALSE(t.cancel());
  EXPECT_FALSE(token.stop_requested());
  EXPECT_FALSE(stop_token_of(t).stop_requested());
  t = {};
  EXPECT_FALSE(token.stop_possible());
}

TEST(stop_token, of_unstarted_cancelled_and_pending) {
  auto unstarted = spawn([] {});
  const std::stop_token token = stop_token_of(unstarted);
  unstarted.cancel();
  EXPECT_TRUE(token.stop_requested());
  EXPECT_TRUE(stop_token_of(unstarted).stop_requested());
  unstarted.join();
  EXPECT_TRUE(stop_token_of(unstarted).stop_requested());
}

TEST(stop_token, after_a_swallowed_request_means_the_next) {
  std::optional<std::stop_token> second;
  auto t = spawn([&] {
    const std::stop_token first = this_fiber::stop_token();
    try {
      sleep(1h);
    } catch (const cancelled&) {
      EXPECT_TRUE(first.stop_requested());
      second = this_fiber::stop_token();
      EXPECT_FALSE(second->stop_requested());
      sleep(1h);
    }
  });
  yield();
  t.cancel();
  yield();
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->stop_requested());
  t.kill();
  EXPECT_TRUE(second->stop_requested());
}

TEST(stop_token, throw_into_is_no_request) {
  auto t = spawn([] { sleep(1h); });
  yield();
  const std::stop_token token = stop_token_of(t);
  throw_into(t, std::runtime_error("x"));
  EXPECT_THROW(t.get(), std::runtime_error);
  EXPECT_FALSE(token.stop_requested());
}

TEST(stop_token, works_with_what_std_has) {
  auto t = spawn([] {
    to_thread(
        [](const std::stop_token& stop) {
          std::mutex m;
          std::condition_variable_any changed;
          std::unique_lock held(m);
          changed.wait(held, stop, [] { return false; });
          return stop.stop_requested();
        },
        this_fiber::stop_token())
        .get();
    yield(); // the job's end and the request may have come together: then get() has a result
  });
  sleep(2ms);
  t.kill();
  EXPECT_TRUE(t.was_cancelled());
}

TEST(stop_token, from_and_by_another_thread) {
  auto t = spawn([] { sleep(1h); });
  yield();
  std::atomic<bool> seen = false;
  std::thread other([&] {
    const std::stop_token token = stop_token_of(t);
    EXPECT_FALSE(token.stop_requested());
    t.cancel();
    seen = eventually([&] { return token.stop_requested(); });
  });
  t.join();
  EXPECT_TRUE(t.was_cancelled());
  other.join();
  EXPECT_TRUE(seen);
}

TEST(stop_token, from_another_thread_when_the_hub_is_gone) {
  task<void> cancelled_one, ended;
  std::thread([&] {
    ended = spawn([] {});
    cancelled_one = spawn([] { sleep(1h); });
    yield();
  }).join();
  EXPECT_FALSE(stop_token_of(ended).stop_requested());
  EXPECT_TRUE(stop_token_of(cancelled_one).stop_requested());
}

TEST(stop_token, of_a_promises_future) {
  promise<int> p, q;
  const std::stop_token token = stop_token_of(p.get_future());
  const std::stop_token other = stop_token_of(q.get_future());
  EXPECT_FALSE(token.stop_requested());
  std::thread([f = p.get_future()] { f.cancel(); }).join();
  EXPECT_TRUE(token.stop_requested());
  EXPECT_TRUE(stop_token_of(p.get_future()).stop_requested());
  q.set_value(1);
  EXPECT_FALSE(other.stop_requested());
}

TEST(stop_token, without_a_fiber_to_cancel_it_is_never_requested) {
  EXPECT_FALSE(this_fiber::stop_token().stop_possible()); // the thread's own
  EXPECT_FALSE(stop_token_of(current()).stop_possible());
  std::thread([] { EXPECT_FALSE(this_fiber::stop_token().stop_possible()); }).join();
  EXPECT_THROW((void)stop_token_of(task<int>()), weft::future_error);
}

TEST(stop_token, at_the_end_of_a_thread) {
  std::stop_token token;
  std::thread([&] {
    token = stop_token_of(spawn([] { sleep(1h); }));
    yield();
  }).join();
  EXPECT_TRUE(token.stop_requested());
}

} // namespace
} // namespace weft::test

// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(exception_state, rethrow_after_a_switch_inside_catch) {
  auto fiber = [](int n) -> std::string {
    try {
      try {
        throw std::runtime_error(std::to_string(n));
      } catch (...) {
        for (int i = 0; i < n; ++i)
          weft::yield();
        EXPECT_EQ(std::uncaught_exceptions(), 0);
        throw;
      }
    } catch (const std::exception& e) {
      weft::yield();
      try {
        std::rethrow_exception(std::current_exception());
      } catch (const std::exception& same) {
        EXPECT_STREQ(same.what(), e.what());
      }
      return e.what();
    }
  };
  std::vector<weft::task<std::string>> tasks;
  for (int i = 0; i < 20; ++i)
    tasks.push_back(weft::spawn(fiber, i));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(tasks[static_cast<std::size_t>(i)].get(), std::to_string(i));
  EXPECT_EQ(std::current_exception(), nullptr);
}

TEST(exception_state, a_switch_inside_a_destructor_during_unwinding) {
  struct yields {
    ~yields() {
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      weft::yield();
      EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
  };
  auto throws = [](const char* text) {
    const yields y;
    throw std::runtime_error(text);
  };
  auto a = weft::spawn(throws, "a");
  auto b = weft::spawn(throws, "b");
  auto c = weft::spawn([] {
    weft::yield();
    return std::uncaught_exceptions();
  });
  EXPECT_EQ(c.get(), 0);
  try {
    a.get();
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "a");
  }
  EXPECT_THROW(b.get(), std::runtime_error);
}

TEST(exception_state, a_fresh_fiber_starts_clean) {
  try {
    throw 1;
  } catch (...) {
    EXPECT_EQ(weft::spawn([] { return std::current_exception() == nullptr; }).get(), true);
    EXPECT_NE(std::current_exception(), nullptr);
  }
}

TEST(errno_is_the_fibers_own, across_switches) {
  auto fiber = [](int n) {
    errno = n;
    for (int i = 0; i < 5; ++i) {
      weft::yield();
      EXPECT_EQ(errno, n);
    }
    weft::sleep(1ms);
    EXPECT_EQ(errno, n);
  };
  std::vector<weft::task<void>> tasks;
  for (int i = 1; i < 10; ++i)
    tasks.push_back(weft::spawn(fiber, i));
  weft::joinall(tasks);
}

// Unhandled exceptions -------------------------------------------------------

std::vector<std::string> reports;
void record(const char* where, std::exception_ptr error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    reports.push_back(std::string(where) + ": " + e.what());
  } catch (...) {
    reports.push_back(where);
  }
}

class unhandled : public testing::Test {
 protected:
  void SetUp() override {
    reports.clear();
    before_ = weft::set_error_handler(&record);
  }
  void TearDown() override { weft::set_error_handler(before_); }

 private:
  weft::error_handler before_ = nullptr;
};

TEST_F(unhandled, reported_once_when_the_last_handle_goes) {
  {
    auto t = weft::spawn({.name = "bad"}, [] { throw std::runtime_error("oops"); });
    const auto copy = t;
    t.join();
    EXPECT_TRUE(reports.empty());
  }
  EXPECT_EQ(reports, std::vector<std::string>{"fiber bad: oops"});
}

TEST_F(unhandled, reported_when_nobody_had_a_handle) {
  (void)weft::spawn({.name = "bad"}, [] { throw std::runtime_error("oops"); });
  weft::yield();
  EXPECT_EQ(reports, std::vector<std::string>{"fiber bad: oops"});
}

TEST_F(unhandled, not_if_somebody_looked) {
  auto fail = [] { throw std::runtime_error("oops"); };
  EXPECT_THROW(weft::spawn(fail).get(), std::runtime_error);
  {
    auto t = weft::spawn(fail);
    t.join();
    EXPECT_TRUE(t.exception());
  }
  {
    auto t = weft::spawn(fail);
    EXPECT_THROW(weft::joinall({t}, {.raise_error = true}), std::runtime_error);
  }
  EXPECT_TRUE(reports.empty());
}

TEST_F(unhandled, cancelled_is_never_reported) {
  (void)weft::spawn([] { throw weft::cancelled(); });
  {
    auto t = weft::spawn([] { weft::sleep(1h); });
    weft::yield();
    t.kill();
  }
  EXPECT_TRUE(reports.empty());
}

TEST(exception, of_each_outcome) {
  auto value = weft::spawn([] { return 1; });
  EXPECT_THROW((void)value.exception(), weft::future_error);
  value.join();
  EXPECT_EQ(value.exception(), nullptr);
  auto error = weft::spawn([] { throw std::out_of_range("x"); });
  error.join();
  EXPECT_THROW(std::rethrow_exception(error.exception()), std::out_of_range);
  auto gone = weft::spawn([] {});
  gone.kill();
  EXPECT_THROW(std::rethrow_exception(gone.exception()), weft::task_cancelled);
}

} // namespace

// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <coroutine>

#include "weft/weft.hpp"

namespace {

struct my_coroutine {
  struct promise_type {
    static my_coroutine get_return_object() { return {}; }
    static std::suspend_never initial_suspend() { return {}; }
    static std::suspend_never final_suspend() noexcept { return {}; }
    static void return_void() {}
    static void unhandled_exception() { std::terminate(); }
  };
};

int printed = 0;
void print(int n) {
  printed = n;
}

struct library {
  static weft::co_task<int> async_count() { co_return 5; }
};

//< example >

//< example >

TEST(documentation, coroutine) {
  const auto x = weft::spawn([] { return 1; });
  const auto y = weft::spawn([] { return 2; });
  print_twice(y);
  //< example >
  EXPECT_EQ(t.get(), 3);
  EXPECT_EQ(printed, 4);
  library some_library;
  //< example >
  EXPECT_EQ(n, 5);
}

} // namespace

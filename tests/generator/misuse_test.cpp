// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::logic_error& e) {
    return e.what();
  }
  return "nothing thrown";
}

TEST(generator_misuse, a_null_body) {
  void (*none)(weft::generator<int>::yielder&) = nullptr;
  EXPECT_THROW(weft::generator<int>{none}, std::invalid_argument);
  const std::function<void(weft::generator<int>::yielder&)> empty;
  EXPECT_THROW(weft::generator<int>{empty}, std::invalid_argument);
}

TEST(generator_misuse, an_empty_one) {
  weft::generator<int> g;
  EXPECT_FALSE(g.valid());
  EXPECT_THROW(g.next(), std::logic_error);
  EXPECT_THROW(static_cast<void>(g.done()), std::logic_error);
  EXPECT_THROW(g.close(), std::logic_error);
  EXPECT_THROW(g.begin(), std::logic_error);
}

TEST(generator_misuse, a_stack_too_large) {
  EXPECT_THROW(
      weft::generator<int>([](auto& yield) { yield(1); }, {.stack_size = std::size_t{1} << 40}),
      std::length_error);
}

TEST(generator_misuse, send_before_the_first_next) {
  weft::generator<int, int> g([](auto& yield) { yield(1); });
  EXPECT_NE(message_of([&] { g.send(1); }).find("call next() first"), std::string::npos);
  EXPECT_EQ(g.next(), 1); // nothing was spoilt
}

TEST(generator_misuse, throw_into_with_null) {
  weft::generator<int> g([](auto& yield) { yield(1); });
  EXPECT_THROW(g.throw_into(std::exception_ptr()), std::invalid_argument);
}

TEST(generator_misuse, a_result_that_is_not_there) {
  weft::generator<int, void, int> g([](auto& yield) {
    yield(1);
    return 2;
  });
  EXPECT_THROW(g.result(), std::logic_error);
  g.next();
  EXPECT_THROW(g.result(), std::logic_error);
  g.close();
  EXPECT_NE(message_of([&] { g.result(); }).find("closed"), std::string::npos);
}

TEST(generator_misuse, a_call_from_its_own_body) {
  weft::generator<int>* self = nullptr;
  weft::generator<int> g([&](auto& yield) {
    EXPECT_NE(message_of([&] { self->next(); }).find("runs already"), std::string::npos);
    EXPECT_THROW(self->close(), std::logic_error);
    yield(1);
  });
  self = &g;
  EXPECT_EQ(g.next(), 1);
}

TEST(generator_misuse, a_call_while_its_body_blocks_in_another_fiber) {
  weft::generator<int> g([](auto& yield) {
    weft::sleep(2ms);
    yield(1);
  });
  auto t = weft::spawn([&] { EXPECT_EQ(g.next(), 1); });
  weft::yield();
  EXPECT_THROW(g.next(), std::logic_error);
  t.get();
  EXPECT_FALSE(g.next());
}

TEST(generator_misuse, yield_outside_of_its_body) {
  weft::generator<int> g([](auto& yield) {
    auto t = weft::spawn([&] { yield(1); }); // another fiber
    EXPECT_THROW(t.get(), std::logic_error);
    weft::generator<int> inner([&](auto&) { yield(2); }); // another body
    EXPECT_THROW(inner.next(), std::logic_error);
    yield(3);
  });
  EXPECT_EQ(g.next(), 3);
}

TEST(generator_misuse, another_thread_than_it_was_started_on) {
  weft::generator<int> g([](auto& yield) {
    yield(1);
    yield(2);
  });
  g.next();
  std::thread([&] {
    EXPECT_NE(message_of([&] { g.next(); }).find("another thread"), std::string::npos);
    EXPECT_THROW(g.close(), std::logic_error);
  }).join();
  EXPECT_EQ(g.next(), 2);
}

TEST(generator_misuse, a_body_that_yields_while_it_is_closed) {
  weft::generator<int> g([](auto& yield) {
    try {
      yield(1);
    } catch (const weft::generator_exit&) {
      yield(2);
    }
  });
  g.next();
  EXPECT_NE(message_of([&] { g.close(); }).find("while it was being closed"), std::string::npos);
  EXPECT_FALSE(g.done());
  g.close();
  EXPECT_TRUE(g.done());
}

TEST(generator_misuse, yield_inside_a_timeout_scope_of_the_body) {
  weft::generator<int> g([](auto& yield) {
    {
      const weft::timeout_scope limit{1h};
      yield(1);
    }
  });
  weft::spawn([&] {
    const weft::timeout_scope callers{1h};
    EXPECT_NE(message_of([&] { g.next(); }).find("timeout_scope"), std::string::npos);
  }).get();
}

std::vector<std::string> reports;

struct collect_reports {
  collect_reports() {
    reports.clear();
    previous = weft::set_error_handler(+[](const char*, std::exception_ptr e) noexcept {
      try {
        std::rethrow_exception(e);
      } catch (const std::exception& x) {
        reports.emplace_back(x.what());
      } catch (...) {
        reports.emplace_back("?");
      }
    });
  }
  ~collect_reports() { weft::set_error_handler(previous); }
  weft::error_handler previous;
};

TEST(generator_misuse, what_leaves_a_destroyed_body_is_reported) {
  const collect_reports collecting;
  {
    weft::generator<int> g([](auto& yield) {
      try {
        yield(1);
      } catch (const weft::generator_exit&) {
        throw std::runtime_error("late");
      }
    });
    g.next();
  }
  EXPECT_EQ(reports, std::vector<std::string>{"late"});
}

TEST(generator_misuse, a_destroyed_body_that_yields_is_asked_again) {
  const collect_reports collecting;
  bool out = false;
  {
    weft::generator<int> g([&](auto& yield) {
      for (int i = 0; i < 3; ++i) {
        try {
          yield(i);
        } catch (const weft::generator_exit&) {
        }
      }
      out = true;
    });
    g.next();
  }
  EXPECT_TRUE(out);
  EXPECT_EQ(reports.size(), 2u);
}

TEST(generator_misuse_death, destroyed_while_its_body_blocks) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto g = std::make_unique<weft::generator<int>>([](auto& yield) {
          weft::sleep(1h);
          yield(1);
        });
        auto t = weft::spawn([&] { g->next(); });
        weft::yield();
        g.reset();
      },
      "destroyed while its body runs");
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
int recurse(int n) {
  volatile char room[512];
  room[0] = static_cast<char>(n);
  return n == 0 ? room[0] : recurse(n - 1) + room[0];
}

TEST(generator_misuse_death, stack_overflow_names_the_generator) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto overflow = [] {
    weft::generator<int> g([](auto& yield) { yield(recurse(1'000'000)); });
    g.next();
  };
  EXPECT_DEATH(weft::spawn({.name = "deep"}, overflow).join(),
               "weft: stack overflow in a generator of fiber deep, stack size 61440");
  EXPECT_DEATH(overflow(), "weft: stack overflow in a generator of the thread itself");
  EXPECT_DEATH(std::thread(overflow).join(), "in a generator of the thread itself");
}
#endif

} // namespace

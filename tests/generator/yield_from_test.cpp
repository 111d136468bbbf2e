// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <map>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "weft/generator.hpp"

namespace {

TEST(yield_from, makes_one_flat_sequence_of_string_list_keys_and_generator) {
  using item = std::variant<char, int, std::string>;
  weft::generator<item> g([](auto& yield) {
    const std::map<std::string, int> dictionary{{"age", 18}, {"name", 7}};
    yield.from(std::string_view("ABC"));
    yield.from(std::vector{1, 2, 3});
    yield.from(std::views::keys(dictionary));
    yield.from(weft::generator<int>([](auto& inner) {
      for (int i = 4; i < 8; ++i)
        inner(i);
    }));
  });
  std::vector<item> all;
  for (item& i : g)
    all.push_back(std::move(i));
  EXPECT_EQ(all, (std::vector<item>{'A', 'B', 'C', 1, 2, 3, std::string("age"), std::string("name"),
                                    4, 5, 6, 7}));
}

TEST(yield_from, gives_the_inner_generators_result_and_passes_on_what_is_sent) {
  using averager = weft::generator<double, double, int>;
  averager inner([](auto& yield) {
    double sum = 0;
    int n = 0;
    while (auto x = yield(n ? sum / n : 0)) {
      sum += *x;
      ++n;
    }
    return n;
  });
  int counted = 0;
  weft::generator<double, double> outer([&](auto& yield) { counted = yield.from(inner); });
  EXPECT_EQ(outer.next(), 0);
  EXPECT_EQ(outer.send(10), 10);
  EXPECT_EQ(outer.send(20), 15);
  EXPECT_EQ(outer.next(), std::nullopt);
  EXPECT_EQ(counted, 2);
  EXPECT_TRUE(inner.done());
}

TEST(yield_from, throws_into_the_inner_one) {
  std::string seen;
  weft::generator<int> inner([&](auto& yield) {
    try {
      yield(1);
    } catch (const std::runtime_error& e) {
      seen = e.what();
    }
    yield(2);
  });
  weft::generator<int> outer([&](auto& yield) {
    yield.from(inner);
    yield(3);
  });
  EXPECT_EQ(outer.next(), 1);
  EXPECT_EQ(outer.throw_into(std::runtime_error("in")), 2);
  EXPECT_EQ(seen, "in");
  EXPECT_EQ(outer.next(), 3);
}

TEST(yield_from, what_the_inner_one_throws_passes_the_outer_one) {
  weft::generator<int> outer([](auto& yield) {
    try {
      yield.from(weft::generator<int>([](auto& inner) {
        inner(1);
        throw std::runtime_error("inner");
      }));
    } catch (const std::runtime_error&) {
      yield(2);
    }
  });
  EXPECT_EQ(outer.next(), 1);
  EXPECT_EQ(outer.next(), 2);
}

TEST(yield_from, closes_the_inner_one_first) {
  std::string order;
  weft::generator<int> inner([&](auto& yield) {
    try {
      yield(1);
    } catch (const weft::generator_exit&) {
      order += "inner ";
      throw;
    }
  });
  weft::generator<int> outer([&](auto& yield) {
    try {
      yield.from(inner);
    } catch (const weft::generator_exit&) {
      order += "outer";
      throw;
    }
  });
  outer.next();
  outer.close();
  EXPECT_EQ(order, "inner outer");
  EXPECT_TRUE(inner.done());
}

weft::generator<int> hanoi(int n) {
  return [n](auto& yield) {
    if (n == 0) return;
    yield.from(hanoi(n - 1));
    yield(n);
    yield.from(hanoi(n - 1));
  };
}

TEST(yield_from, recurses) {
  std::vector<int> moves;
  for (int i : hanoi(4))
    moves.push_back(i);
  EXPECT_EQ(moves, (std::vector<int>{1, 2, 1, 3, 1, 2, 1, 4, 1, 2, 1, 3, 1, 2, 1}));
  auto half = hanoi(6);
  for (int i = 0; i < 5; ++i)
    half.next();
}

TEST(yield_from, converts_what_the_inner_one_yields) {
  weft::generator<std::string> outer([](auto& yield) {
    yield.from(weft::generator<const char*>([](auto& inner) {
      inner("a");
      inner("b");
    }));
  });
  EXPECT_EQ(outer.next(), "a");
  EXPECT_EQ(outer.next(), "b");
  EXPECT_FALSE(outer.next());
}

} // namespace

// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weft/generator.hpp"
#include "weft/weft.hpp"

namespace {

static_assert(!std::is_base_of_v<std::exception, weft::generator_exit>);
static_assert(!std::is_copy_constructible_v<weft::generator<int>>);
static_assert(std::is_nothrow_move_constructible_v<weft::generator<int>>);
static_assert(std::ranges::input_range<weft::generator<int>>);
static_assert(std::ranges::input_range<weft::generator<const std::string&>>);

weft::generator<int> count(int from, int to) {
  return [from, to](auto& yield) {
    for (int i = from; i < to; ++i)
      yield(i);
  };
}

TEST(generator, next_gives_what_is_yielded_and_then_nothing) {
  auto g = count(1, 3);
  EXPECT_FALSE(g.done());
  EXPECT_EQ(g.next(), 1);
  EXPECT_EQ(g.next(), 2);
  EXPECT_FALSE(g.done());
  EXPECT_EQ(g.next(), std::nullopt);
  EXPECT_TRUE(g.done());
  EXPECT_EQ(g.next(), std::nullopt);
}

TEST(generator, nothing_runs_before_the_first_next) {
  bool ran = false;
  {
    weft::generator<int> g([&](auto& yield) {
      ran = true;
      yield(1);
    });
  }
  EXPECT_FALSE(ran);
}

TEST(generator, send_gives_its_value_to_the_body_and_a_bare_next_nothing) {
  std::vector<std::optional<int>> got;
  weft::generator<std::string, int> g([&](auto& yield) {
    got.push_back(yield("a"));
    got.push_back(yield("b"));
    got.push_back(yield("c"));
  });
  EXPECT_EQ(g.next(), "a");
  EXPECT_EQ(g.send(10), "b");
  EXPECT_EQ(g.next(), "c");
  EXPECT_EQ(g.send(30), std::nullopt);
  EXPECT_EQ(got, (std::vector<std::optional<int>>{10, std::nullopt, 30}));
  EXPECT_EQ(g.send(40), std::nullopt); // at its end
}

TEST(generator, returns_a_value) {
  weft::generator<int, void, std::string> g([](auto& yield) {
    yield(1);
    return std::string("end");
  });
  EXPECT_EQ(g.next(), 1);
  EXPECT_FALSE(g.next());
  EXPECT_EQ(g.result(), "end");
  EXPECT_EQ(std::move(g).result(), "end");
}

TEST(generator, yields_without_a_value) {
  int steps = 0;
  weft::generator<void, int> g([&](auto& yield) {
    while (std::optional<int> x = yield())
      steps += *x;
  });
  EXPECT_TRUE(g.next());
  EXPECT_TRUE(g.send(2));
  EXPECT_TRUE(g.send(3));
  EXPECT_FALSE(g.next());
  EXPECT_EQ(steps, 5);
}

TEST(generator, yields_references_and_move_only_values) {
  std::string word = "abc";
  weft::generator<std::string&> references([&](auto& yield) { yield(word); });
  std::string* first = references.next();
  EXPECT_EQ(first, &word);
  EXPECT_EQ(references.next(), nullptr);

  weft::generator<const std::string&> temporaries([](auto& yield) {
    yield("one");
    yield(std::string("two"));
  });
  std::vector<std::string> words;
  for (const std::string& w : temporaries)
    words.push_back(w);
  EXPECT_EQ(words, (std::vector<std::string>{"one", "two"}));

  weft::generator<std::unique_ptr<int>, std::unique_ptr<int>, std::unique_ptr<int>> owned(
      [](auto& yield) {
        auto sent = yield(std::make_unique<int>(1));
        return std::move(*sent);
      });
  EXPECT_EQ(**owned.next(), 1);
  EXPECT_FALSE(owned.send(std::make_unique<int>(2)));
  EXPECT_EQ(*std::move(owned).result(), 2);
}

TEST(generator, is_a_range) {
  int sum = 0;
  for (int i : count(0, 5))
    sum += i;
  EXPECT_EQ(sum, 10);

  auto g = count(0, 1000);
  std::vector<int> odd;
  for (int i : g | std::views::filter([](int i) { return i % 2 == 1; }) | std::views::take(3))
    odd.push_back(i);
  EXPECT_EQ(odd, (std::vector<int>{1, 3, 5}));

  std::vector<int> squares;
  for (int i : count(1, 4) | std::views::transform([](int i) { return i * i; }))
    squares.push_back(i);
  EXPECT_EQ(squares, (std::vector<int>{1, 4, 9}));
}

TEST(generator, a_loop_goes_on_where_the_last_one_was_left) {
  auto g = count(0, 6);
  EXPECT_EQ(g.next(), 0);
  for (int i : g)
    if (i == 2) break;
  std::vector<int> rest;
  for (int i : g)
    rest.push_back(i);
  EXPECT_EQ(rest, (std::vector<int>{3, 4, 5}));
}

TEST(generator, rethrows_what_the_body_throws) {
  weft::generator<int> g([](auto& yield) {
    yield(1);
    throw std::runtime_error("broken");
  });
  EXPECT_EQ(g.next(), 1);
  EXPECT_THROW(g.next(), std::runtime_error);
  EXPECT_TRUE(g.done());
  EXPECT_EQ(g.next(), std::nullopt);
}

TEST(generator, throw_into_is_thrown_at_the_yield) {
  std::string seen;
  weft::generator<int> g([&](auto& yield) {
    try {
      yield(1);
    } catch (const std::runtime_error& e) {
      seen = e.what();
    }
    yield(2);
  });
  EXPECT_EQ(g.next(), 1);
  EXPECT_EQ(g.throw_into(std::runtime_error("hello")), 2);
  EXPECT_EQ(seen, "hello");
  EXPECT_THROW(g.throw_into(std::out_of_range("again")), std::out_of_range);
  EXPECT_TRUE(g.done());
  EXPECT_THROW(g.throw_into(std::out_of_range("at its end")), std::out_of_range);

  auto unstarted = count(0, 1);
  EXPECT_THROW(unstarted.throw_into(std::out_of_range("before")), std::out_of_range);
  EXPECT_TRUE(unstarted.done());
  EXPECT_FALSE(unstarted.next());
}

TEST(generator, close_throws_generator_exit_in_the_body) {
  bool exited = false;
  bool unwound = false;
  struct at_end {
    bool& flag;
    ~at_end() { flag = true; }
  };
  weft::generator<int> g([&](auto& yield) {
    const at_end end{unwound};
    try {
      yield(1);
    } catch (const weft::generator_exit&) {
      exited = true;
      throw;
    }
  });
  g.next();
  g.close();
  EXPECT_TRUE(exited);
  EXPECT_TRUE(unwound);
  EXPECT_TRUE(g.done());
  g.close();
  EXPECT_FALSE(g.next());

  auto unstarted = count(0, 1);
  unstarted.close();
  EXPECT_FALSE(unstarted.next());

  weft::generator<int> returns([&](auto& yield) {
    try {
      yield(1);
    } catch (const weft::generator_exit&) {
    }
  });
  returns.next();
  EXPECT_NO_THROW(returns.close());

  weft::generator<int> fails([&](auto& yield) {
    try {
      yield(1);
    } catch (const weft::generator_exit&) {
      throw std::runtime_error("while cleaning up");
    }
  });
  fails.next();
  EXPECT_THROW(fails.close(), std::runtime_error);
}

TEST(generator, destroyed_half_way_unwinds) {
  auto token = std::make_shared<int>(0);
  {
    weft::generator<int> g([kept = token](auto& yield) {
      const auto local = kept;
      while (true)
        yield(*local);
    });
    g.next();
    EXPECT_EQ(token.use_count(), 3);
    auto moved = std::move(g);
    EXPECT_FALSE(g.valid());
    EXPECT_EQ(moved.next(), 0);
    moved = count(0, 1);
    EXPECT_EQ(token.use_count(), 1);
  }
}

TEST(generator, the_body_goes_when_it_is_at_its_end) {
  auto token = std::make_shared<int>(0);
  weft::generator<int> g([token](auto& yield) { yield(*token); });
  g.next();
  g.next();
  EXPECT_EQ(token.use_count(), 1);
}

TEST(generator, is_destroyed_while_an_exception_unwinds) {
  bool caught = false;
  bool outer = false;
  try {
    weft::generator<int> g([&](auto& yield) {
      try {
        yield(1);
      } catch (...) {
        EXPECT_EQ(std::uncaught_exceptions(), 0); // the body's own
        caught = true;
      }
    });
    g.next();
    throw std::runtime_error("out");
  } catch (const std::runtime_error&) {
    outer = true;
  }
  EXPECT_TRUE(caught);
  EXPECT_TRUE(outer);
}

TEST(generator, exceptions_being_handled_are_the_bodys_own) {
  weft::generator<int> g([](auto& yield) {
    try {
      throw std::runtime_error("inner");
    } catch (...) {
      yield(1);
      try {
        throw;
      } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), "inner");
      }
      yield(2);
    }
    EXPECT_EQ(std::current_exception(), nullptr);
    yield(3);
  });
  try {
    throw std::out_of_range("outer");
  } catch (...) {
    EXPECT_EQ(g.next(), 1);
    EXPECT_THROW(throw, std::out_of_range);
  }
  EXPECT_EQ(std::current_exception(), nullptr);
  EXPECT_EQ(g.next(), 2);
  EXPECT_EQ(std::current_exception(), nullptr);
  try {
    throw std::out_of_range("outer");
  } catch (...) {
    EXPECT_EQ(g.next(), 3);
    EXPECT_THROW(throw, std::out_of_range);
  }
}

TEST(generator, yields_from_wherever_its_body_is) {
  struct tree {
    int value;
    std::vector<tree> below;
    void walk(weft::generator<int>::yielder& yield) const {
      for (const tree& t : below)
        t.walk(yield);
      yield(value);
    }
  };
  const tree root{5, {{2, {{1, {}}}}, {4, {{3, {}}}}}};
  std::vector<int> order;
  for (int i : weft::generator<int>([&](auto& yield) { root.walk(yield); }))
    order.push_back(i);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4, 5}));
}

TEST(generator, takes_functions_and_member_functions_of_its_yielder) {
  struct bodies {
    static void two(weft::generator<int>::yielder& yield) {
      yield(1);
      yield(2);
    }
  };
  weft::generator<int> g(&bodies::two);
  EXPECT_EQ(g.next(), 1);
  std::function<void(weft::generator<int>::yielder&)> f = &bodies::two;
  weft::generator<int> h(f);
  EXPECT_EQ(h.next(), 1);
}

TEST(generator, has_the_stack_it_asks_for) {
  weft::generator<int> g(
      [](auto& yield) {
        volatile char room[3 << 20];
        room[0] = 1;
        room[sizeof room - 1] = 2;
        yield(room[0] + room[sizeof room - 1]);
      },
      {.stack_size = std::size_t{4} << 20});
  EXPECT_EQ(g.next(), 3);
}

TEST(generator, a_thousand_at_once) {
  std::vector<weft::generator<int>> many;
  for (int i = 0; i < 1000; ++i)
    many.push_back(count(i, i + 3));
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 1000; ++i)
      ASSERT_EQ(many[static_cast<std::size_t>(i)].next(), i + round);
  for (int i = 0; i < 1000; i += 2)
    EXPECT_FALSE(many[static_cast<std::size_t>(i)].next());
}

TEST(generator, works_on_a_thread_without_a_hub) {
  std::vector<int> got;
  std::thread([&] {
    for (int i : count(0, 3))
      got.push_back(i);
    auto half = count(0, 3);
    half.next();
    EXPECT_FALSE(weft::current().valid()); // it made no hub
  }).join();
  EXPECT_EQ(got, (std::vector<int>{0, 1, 2}));
}

// Two generators taken in turn: what a scheduler does.
TEST(generator, round_robin_over_generators) {
  std::string out;
  auto say_hello = [&](int n) {
    return weft::generator<void>([&out, n](auto& yield) mutable {
      for (; n > 0; --n) {
        out += "hello~ " + std::to_string(n) + "\n";
        yield();
      }
      out += "say hello\n";
    });
  };
  auto say_hi = [&](int n) {
    return weft::generator<void>([&out, n](auto& yield) {
      for (int x = 0; x < n; ++x) {
        out += "hi~ " + std::to_string(x) + "\n";
        yield();
      }
      out += "say hi\n";
    });
  };
  std::deque<weft::generator<void>> tasks;
  tasks.push_back(say_hello(2));
  tasks.push_back(say_hi(3));
  while (!tasks.empty()) {
    auto task = std::move(tasks.front());
    tasks.pop_front();
    if (task.next()) tasks.push_back(std::move(task));
  }
  EXPECT_EQ(out, "hello~ 2\nhi~ 0\nhello~ 1\nhi~ 1\nsay hello\nhi~ 2\nsay hi\n");
}

} // namespace

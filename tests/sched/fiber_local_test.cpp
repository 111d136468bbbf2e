// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(fiber_local, each_fiber_has_its_own) {
  weft::fiber_local<int> value([] { return 10; });
  *value = 1;
  std::vector<int> seen;
  auto add = [&](int n) {
    *value += n;
    weft::yield();
    seen.push_back(*value);
  };
  weft::joinall(std::vector{weft::spawn(add, 1), weft::spawn(add, 2)});
  EXPECT_EQ(seen, (std::vector<int>{11, 12}));
  EXPECT_EQ(*value, 1); // the thread's own
}

TEST(fiber_local, is_made_when_first_asked_for) {
  int made = 0;
  weft::fiber_local<int> value([&] { return ++made; });
  weft::spawn([] {}).join();
  EXPECT_EQ(made, 0);
  EXPECT_FALSE(value.has_value());
  EXPECT_EQ(*value, 1);
  EXPECT_EQ(*value, 1);
  EXPECT_TRUE(value.has_value());
  weft::spawn([&] { EXPECT_EQ(value.get(), 2); }).get();
  value.reset();
  EXPECT_FALSE(value.has_value());
  value.reset();
  EXPECT_EQ(*value, 3);
}

TEST(fiber_local, an_initialiser_that_throws_is_called_again) {
  int calls = 0;
  weft::fiber_local<int> value([&] {
    if (++calls == 1) throw std::runtime_error("not yet");
    return calls;
  });
  EXPECT_THROW(value.get(), std::runtime_error);
  EXPECT_EQ(value.get(), 2);
}

TEST(fiber_local, threads_have_their_own_with_and_without_a_hub) {
  weft::fiber_local<std::string> value;
  *value = "main";
  std::string before;
  std::string after;
  std::thread([&] {
    *value = "thread";
    before = *value;
    weft::spawn([&] { EXPECT_EQ(*value, ""); }).get(); // a hub is made meanwhile
    after = *value;
  }).join();
  EXPECT_EQ(before, "thread");
  EXPECT_EQ(after, "thread");
  EXPECT_EQ(*value, "main");
}

TEST(fiber_local, callbacks_use_the_threads) {
  weft::fiber_local<int> value;
  *value = 5;
  int seen = 0;
  weft::spawn([&] {
    *value = 6;
    weft::call_later(0ms, [&] { seen = *value; });
    weft::sleep(2ms);
  }).get();
  EXPECT_EQ(seen, 5);
}

struct noisy {
  noisy(std::string& out, char name) : out_(&out), name_(name) {}
  noisy(noisy&& other) noexcept : out_(std::exchange(other.out_, nullptr)), name_(other.name_) {}
  ~noisy() {
    if (out_) *out_ += name_;
  }
  std::string* out_;
  char name_;
};

TEST(fiber_local, is_destroyed_with_its_fiber_last_made_first) {
  std::string out;
  weft::fiber_local<noisy> a([&] { return noisy(out, 'a'); });
  weft::fiber_local<noisy> b([&] { return noisy(out, 'b'); });
  auto t = weft::spawn([&, in_callable = noisy(out, 'c')] {
    b.get();
    a.get();
    weft::yield();
    out += "|";
  });
  t.add_done_callback([&] { out += "d"; });
  t.join();
  weft::yield();
  EXPECT_EQ(out, "|cabd"); // before anybody learns that it is done
}

TEST(fiber_local, is_destroyed_when_the_fiber_fails_or_is_cancelled) {
  std::string out;
  weft::fiber_local<noisy> a([&] { return noisy(out, 'a'); });
  auto fails = weft::spawn([&] {
    a.get();
    throw std::runtime_error("x");
  });
  fails.join();
  EXPECT_EQ(out, "a");
  EXPECT_NE(fails.exception(), nullptr);
  auto waits = weft::spawn([&] {
    a.get();
    weft::sleep(1h);
  });
  weft::yield();
  waits.kill();
  EXPECT_EQ(out, "aa");
  auto unstarted = weft::spawn([&] { a.get(); });
  unstarted.kill();
  EXPECT_EQ(out, "aa");
}

TEST(fiber_local, is_destroyed_at_the_end_of_its_thread) {
  std::string out;
  weft::fiber_local<noisy> a([&] { return noisy(out, 'a'); });
  std::thread([&] { a.get(); }).join();
  EXPECT_EQ(out, "a");
  std::thread([&] {
    auto left = weft::spawn([&] {
      a.get();
      try {
        weft::sleep(1h);
      } catch (...) {
        out += "f"; // left to the end of the thread
        throw;
      }
    });
    weft::yield();
    a.get();
  }).join();
  EXPECT_EQ(std::count(out.begin(), out.end(), 'a'), 3);
}

TEST(fiber_local, destructors_may_use_others_and_block) {
  static std::string out;
  static weft::fiber_local<std::string>* other = nullptr;
  out.clear();
  struct user {
    ~user() {
      weft::sleep(1ms);
      out += **other;
    }
  };
  weft::fiber_local<std::string> text([] { return std::string("new"); });
  weft::fiber_local<user> uses;
  other = &text;
  weft::spawn([&] {
    *text = "old";
    uses.get();
  }).get();
  weft::spawn([&] {
    uses.get();
    *text = "gone by then";
  }).get();
  EXPECT_EQ(out, "oldnew");
}

#if !defined(__SANITIZE_ADDRESS__) // the last one is given up, which is a leak
TEST(fiber_local, destructors_that_make_each_other_come_to_an_end) {
  static int destroyed = 0;
  static std::function<void()> make;
  destroyed = 0;
  struct again {
    ~again() {
      ++destroyed;
      make();
    }
  };
  weft::fiber_local<again> value;
  make = [&] { value.get(); };
  weft::spawn([&] { value.get(); }).get();
  EXPECT_EQ(destroyed, 4);
}
#endif

TEST(fiber_local, a_cancellation_is_not_thrown_in_destructors) {
  static bool cleaned = false;
  struct blocks {
    ~blocks() {
      weft::sleep(5ms);
      cleaned = true;
    }
  };
  weft::fiber_local<blocks> value;
  auto t = weft::spawn([&] {
    value.get();
    return 1;
  });
  weft::yield();
  EXPECT_FALSE(t.done());
  t.kill();
  EXPECT_TRUE(cleaned);
  EXPECT_EQ(t.get(), 1);
}

TEST(fiber_local, may_go_before_its_fibers) {
  std::string out;
  auto value = std::make_unique<weft::fiber_local<noisy>>([&] { return noisy(out, 'a'); });
  auto t = weft::spawn([&] {
    value->get();
    weft::yield();
    weft::fiber_local<int> same_place([] { return 3; });
    EXPECT_EQ(*same_place, 3);
    EXPECT_EQ(out, "");
  });
  weft::yield();
  value.reset();
  t.get();
  EXPECT_EQ(out, "a");
}

TEST(fiber_local, a_generators_body_uses_its_callers) {
  weft::fiber_local<int> value;
  weft::generator<int> g([&](auto& yield) {
    while (true)
      yield(*value);
  });
  for (int i = 1; i < 4; ++i)
    weft::spawn([&] {
      *value = i;
      EXPECT_EQ(g.next(), i);
    }).get();
}

TEST(fiber_local, a_null_initialiser_is_refused) {
  const std::function<int()> none;
  EXPECT_THROW(weft::fiber_local<int>{none}, std::invalid_argument);
}

#if !defined(__SANITIZE_THREAD__) // which takes a fiber that forks for a thread
TEST(fiber_local, a_forked_child_does_not_destroy_those_of_lost_fibers) {
  static int destroyed = 0;
  struct counted {
    ~counted() { ++destroyed; }
  };
  destroyed = 0;
  weft::fiber_local<counted> value;
  auto t = weft::spawn([&] {
    value.get();
    weft::sleep(1h);
  });
  weft::yield();
  const pid_t child = ::fork();
  if (child == 0) {
    t = {};
    ::_exit(destroyed == 0 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  t.kill();
  EXPECT_EQ(destroyed, 1);
}
#endif

// Inherited ----------------------------------------------------------------

TEST(inherited_local, is_inherited_when_spawned) {
  weft::inherited_local<std::string> name("none");
  EXPECT_EQ(name.get(), "none");
  EXPECT_FALSE(name.has_value());
  auto before = weft::spawn([&] { return *name; });
  name.set("ann");
  auto later = weft::spawn_later(1ms, [&] { return *name; });
  auto with_options = weft::spawn({.name = "x"}, [&] { return *name; });
  auto after = weft::spawn([&] {
    EXPECT_EQ(*name, "ann");
    auto grandchild = weft::spawn([&] { return *name; });
    name.set("bob");
    EXPECT_EQ(weft::spawn([&] { return *name; }).get(), "bob");
    EXPECT_EQ(grandchild.get(), "ann");
  });
  name.set("eve");
  EXPECT_EQ(before.get(), "none");
  after.get();
  EXPECT_EQ(later.get(), "ann");
  EXPECT_EQ(with_options.get(), "ann");
  EXPECT_EQ(*name, "eve");
}

TEST(inherited_local, a_scope_restores_what_was_before) {
  weft::inherited_local<int> level(0);
  {
    const auto one = level.set_scoped(1);
    EXPECT_EQ(*level, 1);
    {
      const auto two = level.set_scoped(2);
      level.set(3);
      EXPECT_EQ(*level, 3);
    }
    EXPECT_EQ(*level, 1);
  }
  EXPECT_EQ(*level, 0);
  EXPECT_FALSE(level.has_value());
  // Nothing is left to inherit.
  weft::spawn([&] { EXPECT_FALSE(level.has_value()); }).get();
}

TEST(inherited_local, a_scope_has_no_effect_in_another_fiber) {
  weft::inherited_local<int> level(0);
  using scope = weft::inherited_local<int>::scope;
  std::unique_ptr<scope> kept;
  weft::spawn([&] { kept.reset(new scope(level.set_scoped(1))); }).get();
  level.set(7);
  kept.reset();
  EXPECT_EQ(*level, 7);
}

TEST(inherited_local, several_do_not_mix) {
  weft::inherited_local<int> a(1);
  weft::inherited_local<int> b(2);
  const auto set_a = a.set_scoped(10);
  weft::spawn([&] {
    const auto set_b = b.set_scoped(20);
    weft::spawn([&] {
      EXPECT_EQ(*a, 10);
      EXPECT_EQ(*b, 20);
    }).get();
  }).get();
  EXPECT_EQ(*b, 2);
}

TEST(inherited_local, a_thread_gives_what_it_set_before_it_had_a_hub) {
  weft::inherited_local<int> value(0);
  value.set(1);
  int in_thread = -1;
  int in_fiber = -1;
  std::thread([&] {
    in_thread = *value; // another thread inherits nothing
    value.set(2);
    in_fiber = weft::spawn([&] { return *value; }).get();
  }).join();
  EXPECT_EQ(in_thread, 0);
  EXPECT_EQ(in_fiber, 2);
}

TEST(inherited_local, callbacks_and_what_they_spawn_have_the_threads) {
  weft::inherited_local<int> value(0);
  const auto mine = value.set_scoped(4);
  int in_callback = 0;
  int in_fiber = 0;
  weft::call_later(0ms, [&] {
    in_callback = *value;
    static_cast<void>(weft::spawn([&] { in_fiber = *value; }));
  });
  weft::sleep(2ms);
  EXPECT_EQ(in_callback, 4);
  EXPECT_EQ(in_fiber, 4);
}

TEST(inherited_local, values_go_with_their_last_fiber) {
  weft::inherited_local<std::shared_ptr<int>> value;
  auto token = std::make_shared<int>(0);
  std::vector<weft::task<void>> tasks;
  {
    const auto scope = value.set_scoped(token);
    for (int i = 0; i < 10; ++i)
      tasks.push_back(weft::spawn([] { weft::yield(); }));
  }
  EXPECT_EQ(token.use_count(), 2); // one value, shared by all
  tasks[3].cancel();               // not started
  weft::joinall(tasks);
  EXPECT_EQ(token.use_count(), 1);
}

} // namespace

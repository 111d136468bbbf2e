// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <stdexcept>
#include <thread>

#include "runtime/sched/blocking_call.hpp"
#include "tests/semantics/blocking_calls.hpp"

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

namespace blocking {

void PrintTo(const variant& v, std::ostream* out) {
  *out << v.name;
}

namespace {

constexpr auto a_while = 5ms;

class every_blocking_call : public testing::TestWithParam<variant> {
 protected:
  void SetUp() override { ASSERT_EQ(call.limited != nullptr, GetParam().takes_limit); }

  blocked call = GetParam().prepare();

  /// Runs `f` in a fiber and rethrows what it throws.
  template <class F>
  static void in_a_fiber(F f) {
    weft::spawn(f).get();
  }
};

class every_call_with_a_limit : public every_blocking_call {};
class every_call_that_blocks_a_thread : public every_blocking_call {};

/// Whose time-out `f` ends with; null: none.
template <class F>
const weft::timeout_scope* expired_in(F&& f) {
  try {
    f();
  } catch (const weft::timeout_expired& e) {
    return e.scope();
  }
  return nullptr;
}

struct at_the_end {
  std::function<void()> call;
  ~at_the_end() { call(); }
};

TEST_P(every_blocking_call, is_ended_by_cancellation) {
  auto task = weft::spawn([this] { call.forever(); });
  weft::sleep(a_while);
  ASSERT_FALSE(task.done()) << "it does not wait";
  EXPECT_TRUE(task.cancel());
  ASSERT_TRUE(task.join(30s));
  EXPECT_TRUE(task.was_cancelled());
}

TEST_P(every_blocking_call, is_ended_by_cancellation_that_came_before) {
  auto task = weft::spawn([this] {
    weft::current().cancel();
    call.forever();
  });
  ASSERT_TRUE(task.join(30s));
  EXPECT_TRUE(task.was_cancelled());
}

TEST_P(every_call_with_a_limit, is_not_ended_by_cancellation_while_unwinding) {
  in_a_fiber([this] {
    bool in_time = true;
    EXPECT_THROW(
        {
          const at_the_end last{[&] {
            weft::current().cancel();
            in_time = call.limited(a_while);
          }};
          throw std::runtime_error("unwinding");
        },
        std::runtime_error);
    EXPECT_FALSE(in_time);
    EXPECT_THROW(weft::yield(), weft::cancelled); // it was kept
  });
}

TEST_P(every_call_with_a_limit, ends_at_its_own_time_out) {
  in_a_fiber([this] {
    const auto start = clock_type::now();
    EXPECT_FALSE(call.limited(a_while));
    EXPECT_GE(clock_type::now() - start, a_while);
    EXPECT_FALSE(call.limited(-1s)); // as zero: does not wait
  });
}

TEST_P(every_call_that_blocks_a_thread, ends_at_its_own_time_out) {
  weft::promise<void> over;
  std::thread waiting([&] {
    const auto start = clock_type::now();
    EXPECT_FALSE(call.limited(a_while));
    EXPECT_GE(clock_type::now() - start, a_while);
    EXPECT_FALSE(weft::current().valid()) << "waiting made a hub";
    over.set_value();
  });
  over.get_future().wait(); // this hub goes on meanwhile
  waiting.join();
}

TEST_P(every_blocking_call, is_ended_by_a_time_out_around_it) {
  in_a_fiber([this] {
    weft::timeout_scope outer{1h};
    weft::timeout_scope limit{a_while};
    EXPECT_EQ(expired_in([this] { call.forever(); }), &limit);
    EXPECT_FALSE(outer.expired());
  });
}

TEST_P(every_call_with_a_limit, loses_no_time_out_around_it_in_its_own) {
  in_a_fiber([this] {
    const auto when = clock_type::now() + a_while;
    weft::timeout_scope limit{when};
    EXPECT_EQ(expired_in([&] {
                while (true)
                  call.limited(when);
              }),
              &limit);
  });
}

TEST_P(every_blocking_call, is_refused_in_a_callback) {
  std::optional<bool> refused;
  weft::call_later(0s, [&] {
    try {
      call.forever();
      refused = false;
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  weft::sleep(a_while);
  EXPECT_EQ(refused, true);
}

std::vector<variant> with_a_limit() {
  auto all = all_variants();
  std::erase_if(all, [](const variant& v) { return !v.takes_limit; });
  return all;
}

std::vector<variant> that_block_a_thread() {
  auto all = with_a_limit();
  std::erase_if(all, [](const variant& v) { return !v.blocks_threads; });
  return all;
}

std::string name_of(const testing::TestParamInfo<variant>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(each, every_blocking_call, testing::ValuesIn(all_variants()), name_of);
INSTANTIATE_TEST_SUITE_P(each, every_call_with_a_limit, testing::ValuesIn(with_a_limit()), name_of);

INSTANTIATE_TEST_SUITE_P(each, every_call_that_blocks_a_thread,
                         testing::ValuesIn(that_block_a_thread()), name_of);

// `run` is for the thread's own fiber, which cannot be cancelled.
TEST(run, is_ended_by_a_time_out_around_it) {
  const stubborn left;
  weft::timeout_scope limit{a_while};
  EXPECT_EQ(expired_in([] { weft::run([] {}); }), &limit);
}

TEST(registry, has_every_call) {
  using weft::detail::blocking_call;
  for (unsigned i = 0; i <= static_cast<unsigned>(weft::detail::last_blocking_call); ++i) {
    const auto call = static_cast<blocking_call>(i);
    const bool none = call == blocking_call::run || call == blocking_call::libc_call;
    EXPECT_EQ(variants_of(call).empty(), none) << weft::detail::name_of(call);
  }
  // Nothing comes after the one that is said to be the last.
  const auto next = static_cast<unsigned>(weft::detail::last_blocking_call) + 1;
  EXPECT_STREQ(weft::detail::name_of(static_cast<blocking_call>(next)), "?");
}

} // namespace
} // namespace blocking

// SPDX-License-Identifier: BSL-1.0
#include <errno.h>
#include <linux/futex.h>

#include <climits>

#include "patch/kernel/futex.hpp"
#include "stage.hpp"

namespace weft::patch {
namespace {

class futex_wake_op : public stage {
 protected:
  void waits(std::uint32_t& word) {
    start([this, &word](green& g) { m().futexes.wait(g, &word, word, ~0u, core::never); });
  }
  long wake_op(std::uint32_t operation, int most_first = INT_MAX, int most_second = INT_MAX) {
    const long woken = m().futexes.wake_op(&first, &second, most_first, most_second, operation);
    run();
    return woken;
  }
  std::uint32_t first = 0, second = 0;
};

// The arguments are 12 bits, so that the encoding macro wants them positive.
constexpr std::uint32_t op(int what, int argument, int compare, int against) {
  return static_cast<std::uint32_t>(what) << 28 | static_cast<std::uint32_t>(compare) << 24 |
         (static_cast<std::uint32_t>(argument) & 0xfff) << 12 |
         (static_cast<std::uint32_t>(against) & 0xfff);
}

struct operation_case {
  int what;
  int argument;
  std::uint32_t before, after;
};

TEST_F(futex_wake_op, operations) {
  constexpr int shift = FUTEX_OP_OPARG_SHIFT;
  const operation_case cases[] = {
      {FUTEX_OP_SET, 5, 9, 5},
      {FUTEX_OP_SET, -1, 9, ~0u},
      {FUTEX_OP_SET, -2048, 9, static_cast<std::uint32_t>(-2048)},
      {FUTEX_OP_ADD, 5, 9, 14},
      {FUTEX_OP_ADD, -1, 0, ~0u},
      {FUTEX_OP_ADD, 1, 0x7fffffff, 0x80000000},
      {FUTEX_OP_OR, 6, 1, 7},
      {FUTEX_OP_ANDN, 6, 15, 9},
      {FUTEX_OP_XOR, 5, 6, 3},
      {FUTEX_OP_SET | shift, 31, 0, 0x80000000},
      {FUTEX_OP_OR | shift, 4, 1, 17},
      {FUTEX_OP_ANDN | shift, 0, 3, 2},
  };
  for (const operation_case& c : cases) {
    second = c.before;
    EXPECT_EQ(wake_op(op(c.what, c.argument, FUTEX_OP_CMP_EQ, 0)), 0);
    EXPECT_EQ(second, c.after) << "operation " << c.what << " with " << c.argument;
  }
}

struct comparison_case {
  int compare;
  bool below, equal, above; // outcome for an old value below, at and above the argument
};

TEST_F(futex_wake_op, comparisons_look_at_the_old_value_as_signed) {
  const comparison_case cases[] = {
      {FUTEX_OP_CMP_EQ, false, true, false}, {FUTEX_OP_CMP_NE, true, false, true},
      {FUTEX_OP_CMP_LT, true, false, false}, {FUTEX_OP_CMP_LE, true, true, false},
      {FUTEX_OP_CMP_GT, false, false, true}, {FUTEX_OP_CMP_GE, false, true, true},
  };
  for (const int against : {-3, 0, 2047}) {
    for (const comparison_case& c : cases) {
      const bool wanted[] = {c.below, c.equal, c.above};
      for (int i = 0; i < 3; ++i) {
        second = static_cast<std::uint32_t>(against - 1 + i);
        waits(second);
        const long woken = wake_op(op(FUTEX_OP_SET, 0, c.compare, against));
        EXPECT_EQ(woken, wanted[i]) << "comparison " << c.compare << " with " << against - 1 + i;
        m().futexes.wake(&second, 1, ~0u);
        run();
      }
    }
  }
}

TEST_F(futex_wake_op, wakes_the_first_always_and_the_second_if_it_holds) {
  for (int i = 0; i < 3; ++i) {
    waits(first);
    waits(second);
  }
  EXPECT_EQ(wake_op(op(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GT, 0), 1, 1), 1);
  EXPECT_EQ(second, 1u);
  EXPECT_EQ(wake_op(op(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GT, 0), 1, 2), 3);
  EXPECT_EQ(second, 2u);
  EXPECT_EQ(still_there(), 2u);
  EXPECT_EQ(wake_op(op(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_GT, 0)), 2);
}

TEST_F(futex_wake_op, what_is_no_operation_changes_nothing) {
  second = 3;
  waits(first);
  EXPECT_EQ(wake_op(op(5, 1, FUTEX_OP_CMP_EQ, 3)), -ENOSYS);
  EXPECT_EQ(second, 3u);
  EXPECT_EQ(still_there(), 1u);
  auto* odd = reinterpret_cast<std::uint32_t*>(reinterpret_cast<char*>(&second) + 1);
  EXPECT_EQ(m().futexes.wake_op(&first, odd, 1, 1, 0), -EINVAL);
  m().futexes.wake(&first, 1, ~0u);
  run();
}

/// As the kernel does it: the word is changed by then.
TEST_F(futex_wake_op, an_unknown_comparison_is_found_after_the_operation) {
  second = 3;
  waits(first);
  EXPECT_EQ(wake_op(op(FUTEX_OP_SET, 4, 9, 3)), -ENOSYS);
  EXPECT_EQ(second, 4u);
  EXPECT_EQ(still_there(), 1u);
  m().futexes.wake(&first, 1, ~0u);
  run();
}

} // namespace
} // namespace weft::patch

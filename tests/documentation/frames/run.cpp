// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

namespace {

int served = 0;
void serve() {
  ++served;
}

namespace program {
//< example >
} // namespace program

TEST(documentation, run) {
  EXPECT_EQ(program::main(), 0);
  EXPECT_EQ(served, 1);
}

int count_words() {
  int words = 0;
  for (const weft::hub_handle& hub : weft::hubs())
    words += weft::spawn_on(hub, [] { return 2; }).get();
  return words;
}

namespace program_of_many {
//< example >
} // namespace program_of_many

TEST(documentation, run_with_workers) {
  EXPECT_EQ(program_of_many::main(), 2 * static_cast<int>(weft::usable_processors()));
}

} // namespace

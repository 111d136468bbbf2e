// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <mutex>
#include <shared_mutex>
#include <string>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, shared_mutex) {
  //< example >
  EXPECT_EQ(reader.get(), 7u);
}

} // namespace

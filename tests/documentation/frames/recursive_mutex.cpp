// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <mutex>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, recursive_mutex) {
  //< example >
  EXPECT_FALSE(weft::spawn([&] { return lock.try_lock(); }).get());
}

} // namespace

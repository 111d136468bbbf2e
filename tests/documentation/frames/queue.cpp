// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

std::vector<std::string> handled;
void handle(const std::string& job) {
  handled.push_back(job);
}

TEST(documentation, queue) {
  //< example >
  worker.get();
  EXPECT_EQ(handled, std::vector<std::string>{"first"});
}

} // namespace

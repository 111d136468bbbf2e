// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "weft/weft.hpp"

namespace {

std::string order;
void fetch_with_some_library(const std::string& url) {
  order += url.substr(7, 1);
  ::usleep(1000);
  order += '.';
}

void fetch_both() {
  //< example >
}

// In a process of its own, which stays patched.
TEST(documentation, patch) {
  EXPECT_EXIT(
      {
        fetch_both();
        std::_Exit(order == "ot.." ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

} // namespace

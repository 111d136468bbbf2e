// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

TEST(documentation, signal_set) {
  weft::call_later(20ms, [] { std::raise(SIGTERM); });
  testing::internal::CaptureStdout();
  //< example >
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "signal 15, stopping\n");
}

int configurations = 0;
void read_configuration() {
  ++configurations;
}

TEST(documentation, on_signal) {
  //< example >
  std::raise(SIGHUP);
  for (int i = 0; i < 1000 && configurations == 0; ++i)
    weft::sleep(1ms);
  EXPECT_EQ(configurations, 1);
  reload.kill();
}

} // namespace

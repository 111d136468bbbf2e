// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

struct slow_server {
  bool given_up = false;
};
void talk_to(slow_server&) {
  weft::sleep(1h);
}
void give_up_on(slow_server& server) {
  server.given_up = true;
}

void with_patience(slow_server& server) {
  //< example >
}

TEST(documentation, timeout_scope) {
  slow_server server;
  const auto talk = weft::spawn([&] { with_patience(server); });
  // Nobody waits for 5 s here: an outer scope that is over first passes through.
  weft::timeout_scope outer{20ms};
  try {
    with_patience(server);
    FAIL() << "an hour is over";
  } catch (const weft::timeout_expired& e) {
    EXPECT_EQ(e.scope(), &outer);
  }
  EXPECT_FALSE(server.given_up);
  talk.get(); // and here the example's own 5 s
  EXPECT_TRUE(server.given_up);
}

} // namespace

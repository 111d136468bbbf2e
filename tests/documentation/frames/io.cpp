// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

void echo(int fd) {
  //< example >
}

TEST(documentation, io) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const auto echoing = weft::spawn(echo, ends[1]);
  char answer[5];
  EXPECT_EQ(weft::io::write(ends[0], "hello", 5), 5);
  EXPECT_EQ(weft::io::read(ends[0], answer, sizeof answer), 5);
  EXPECT_EQ(std::string_view(answer, 5), "hello");
  weft::io::close(ends[0]);
  echoing.get(); // it has read the end
  weft::io::close(ends[1]);
}

} // namespace

// SPDX-License-Identifier: BSL-1.0
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <system_error>

#include "weft/weft.hpp"

namespace {

TEST(documentation, descriptor) {
  int number;
  {
    //< example >
    number = file.get();
    char byte;
    EXPECT_EQ(weft::io::read(number, &byte, 1), 1);
  }
  EXPECT_EQ(::fcntl(number, F_GETFD), -1);
}

} // namespace

// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

namespace {

namespace program {
//< example >
} // namespace program

TEST(documentation, readme_first_program) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(program::main(), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "start hello\nstart world\nfinish world\nfinish hello\nhello world\n");
}

} // namespace

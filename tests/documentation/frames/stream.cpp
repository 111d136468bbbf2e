// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

//< example >

TEST(documentation, stream) {
  weft::run([] {
    auto [mine, theirs] = weft::make_stream_pair();
    auto serving = weft::spawn([&theirs = theirs] { serve(theirs); });
    mine.write_all("hello\r\nbye\n");
    EXPECT_EQ(mine.read_line(), "you said: hello");
    EXPECT_EQ(mine.read_line(), "you said: bye");
    mine.close();
    serving.get();
  });
}

} // namespace

// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "weft/weft.hpp"

namespace {

weft::channel<int> numbers;
weft::channel<std::string> words;
weft::channel<bool> stop(1);

int used = 0;
void use(int n) {
  used = n;
}
bool noted = false;
void note_sent() {
  noted = true;
}

TEST(documentation, select) {
  const auto sender = weft::spawn([] { numbers.send(7); });
  //< example >
  EXPECT_EQ(used, 7);
  EXPECT_FALSE(noted);
}

} // namespace

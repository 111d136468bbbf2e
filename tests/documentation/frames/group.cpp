// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

int served = 0;
void serve(int) {
  ++served;
}

TEST(documentation, group) {
  const int first = 1;
  const int second = 2;
  //< example >
  EXPECT_EQ(served, 2);
}

const std::vector<std::string> urls{"/", "/news", "/weather"};

std::size_t size_of_page(const std::string& url) {
  weft::yield();
  return url.size();
}

TEST(documentation, map) {
  weft::pool downloads(2);
  //< example >
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 5, 8}));
}

std::string fetch_page(const std::string& url) {
  weft::yield();
  return "page of " + url;
}
std::vector<std::string> printed;
void print(const std::string& page) {
  printed.push_back(page);
}

TEST(documentation, imap) {
  weft::pool downloads(2);
  //< example >
  EXPECT_EQ(printed, (std::vector<std::string>{"page of /", "page of /news", "page of /weather"}));
}

} // namespace

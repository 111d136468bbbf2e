// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/vector.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace weft::patch {
namespace {

std::string of(const iovec* entries, int count) {
  std::string all;
  for (int i = 0; i < count; ++i)
    all.append(static_cast<const char*>(entries[i].iov_base), entries[i].iov_len);
  return all;
}

/// All that is left, taken a window at a time.
std::string read(vector_rest rest) {
  std::string all;
  while (!rest.empty()) {
    iovec window[vector_rest::window];
    const std::string piece = of(window, rest.next(window));
    EXPECT_FALSE(piece.empty()) << "a call with nothing to do would never end";
    if (piece.empty()) break;
    all += piece;
    rest.advance(piece.size());
  }
  return all;
}

iovec entry(std::string& text) {
  return {text.data(), text.size()};
}

TEST(vector_rest, nothing) {
  EXPECT_TRUE(vector_rest(nullptr, 0).empty());
  EXPECT_EQ(vector_rest(nullptr, 0).bytes(), 0u);
  const iovec empty[3] = {};
  EXPECT_TRUE(vector_rest(empty, 3).empty());
}

TEST(vector_rest, goes_on_in_the_middle_of_an_entry) {
  std::string a = "abc", b = "defg";
  const iovec all[] = {entry(a), entry(b)};
  vector_rest rest(all, 2);
  EXPECT_EQ(rest.bytes(), 7u);
  rest.advance(2);
  EXPECT_EQ(read(rest), "cdefg");
  rest.advance(3);
  EXPECT_EQ(rest.bytes(), 2u);
  EXPECT_EQ(read(rest), "fg");
  rest.advance(2);
  EXPECT_TRUE(rest.empty());
}

TEST(vector_rest, leaves_the_program_s_array_as_it_is) {
  std::string a = "abc";
  const iovec all[] = {entry(a)};
  vector_rest rest(all, 1);
  rest.advance(1);
  iovec window[vector_rest::window];
  rest.next(window);
  EXPECT_EQ(all[0].iov_base, a.data());
  EXPECT_EQ(all[0].iov_len, 3u);
}

TEST(vector_rest, one_with_more_entries_than_a_window) {
  std::vector<std::string> texts;
  std::vector<iovec> all;
  std::string expected;
  for (int i = 0; i < 50; ++i)
    texts.push_back(std::string(static_cast<std::size_t>(i % 5), 'a'));
  for (std::string& text : texts) {
    all.push_back(entry(text));
    expected += text;
  }
  EXPECT_EQ(read(vector_rest(all.data(), all.size())), expected);
}

TEST(vector_rest, empty_entries_in_between_do_not_fill_a_window) {
  std::string text = "x";
  std::vector<iovec> all(30);
  all.front() = all.back() = entry(text);
  EXPECT_EQ(read(vector_rest(all.data(), all.size())), "xx");
}

TEST(vector_rest, does_as_one_string_does) {
  std::mt19937 random{5};
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> texts(random() % 40);
    std::vector<iovec> all;
    std::string left;
    for (std::string& text : texts) {
      text.resize(random() % 3 ? random() % 20 : 0);
      for (char& c : text)
        c = static_cast<char>('a' + random() % 26);
      left += text;
      all.push_back(entry(text));
    }
    vector_rest rest(all.data(), all.size());
    while (!left.empty()) {
      ASSERT_FALSE(rest.empty());
      ASSERT_EQ(rest.bytes(), left.size());
      iovec window[vector_rest::window];
      const std::string next = of(window, rest.next(window));
      ASSERT_FALSE(next.empty());
      ASSERT_EQ(next, left.substr(0, next.size()));
      const std::size_t done = 1 + random() % next.size();
      rest.advance(done);
      left.erase(0, done);
    }
    ASSERT_TRUE(rest.empty());
    ASSERT_EQ(rest.bytes(), 0u);
  }
}

} // namespace
} // namespace weft::patch

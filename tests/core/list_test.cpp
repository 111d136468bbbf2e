// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <vector>

#include "runtime/core/list.hpp"

namespace {

struct first_tag;
struct second_tag;
struct item : weft::core::list_hook<first_tag>, weft::core::list_hook<second_tag> {
  explicit item(int n) : number(n) {}
  int number;
  [[nodiscard]] bool in_first() const { return list_hook<first_tag>::linked(); }
  [[nodiscard]] bool in_second() const { return list_hook<second_tag>::linked(); }
};
using first_list = weft::core::list<item, first_tag>;
using second_list = weft::core::list<item, second_tag>;

template <class List>
std::vector<int> numbers(List& l) {
  std::vector<int> found;
  l.for_each([&](item& i) { found.push_back(i.number); });
  return found;
}

constinit first_list made_before_any_code_runs;

TEST(list, keeps_the_order_of_both_ends) {
  item a{1}, b{2}, c{3};
  first_list l;
  EXPECT_TRUE(l.empty());
  l.push_back(b);
  l.push_back(c);
  l.push_front(a);
  EXPECT_EQ(numbers(l), (std::vector{1, 2, 3}));
  EXPECT_EQ(l.front().number, 1);
  EXPECT_EQ(l.pop_front().number, 1);
  EXPECT_FALSE(a.in_first());
  EXPECT_EQ(numbers(l), (std::vector{2, 3}));
  l.reset();
}

TEST(list, gives_its_last) {
  item a{1}, b{2};
  first_list l;
  l.push_back(a);
  l.push_back(b);
  EXPECT_EQ(l.pop_back().number, 2);
  EXPECT_FALSE(b.in_first());
  EXPECT_EQ(l.pop_back().number, 1);
  EXPECT_TRUE(l.empty());
}

TEST(list, may_begin_behind_any_member) {
  item a{1}, b{2}, c{3};
  first_list l;
  l.push_back(a);
  l.rotate_behind(a);
  EXPECT_EQ(numbers(l), (std::vector{1}));
  l.push_back(b);
  l.push_back(c);
  l.rotate_behind(c);
  EXPECT_EQ(numbers(l), (std::vector{1, 2, 3}));
  l.rotate_behind(a);
  EXPECT_EQ(numbers(l), (std::vector{2, 3, 1}));
  EXPECT_EQ(l.pop_back().number, 1);
  EXPECT_EQ(l.pop_front().number, 2);
  l.reset();
}

TEST(list, inserts_before_a_member) {
  item a{1}, b{2}, c{3};
  first_list l;
  l.push_back(a);
  l.push_back(c);
  l.insert_before(c, b);
  EXPECT_EQ(numbers(l), (std::vector{1, 2, 3}));
  l.reset();
}

TEST(list, an_object_may_be_in_two_lists_and_leave_each_alone) {
  item a{1}, b{2};
  first_list f;
  second_list s;
  f.push_back(a);
  f.push_back(b);
  s.push_back(b);
  s.push_back(a);
  static_cast<weft::core::list_hook<first_tag>&>(a).unlink();
  EXPECT_FALSE(a.in_first());
  EXPECT_TRUE(a.in_second());
  EXPECT_EQ(numbers(f), (std::vector{2}));
  EXPECT_EQ(numbers(s), (std::vector{2, 1}));
  f.reset();
  s.reset();
}

TEST(list, appends_another_whole) {
  item a{1}, b{2}, c{3};
  first_list l, m;
  l.append(m);
  EXPECT_TRUE(l.empty());
  m.push_back(a);
  l.append(m);
  EXPECT_TRUE(m.empty());
  m.push_back(b);
  m.push_back(c);
  l.append(m);
  EXPECT_EQ(numbers(l), (std::vector{1, 2, 3}));
  EXPECT_TRUE(m.empty());
  l.reset();
}

TEST(list, the_visited_member_may_leave_during_its_visit) {
  item a{1}, b{2}, c{3};
  first_list l;
  for (item* i : {&a, &b, &c})
    l.push_back(*i);
  l.for_each([](item& i) {
    if (i.number != 2) static_cast<weft::core::list_hook<first_tag>&>(i).unlink();
  });
  EXPECT_EQ(numbers(l), (std::vector{2}));
  l.reset();
}

TEST(list, reset_does_not_touch_the_members) {
  item a{1};
  made_before_any_code_runs.push_back(a);
  made_before_any_code_runs.reset();
  EXPECT_TRUE(made_before_any_code_runs.empty());
  EXPECT_TRUE(a.in_first());
}

} // namespace

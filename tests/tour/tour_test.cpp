// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "tests/tour/expect.hpp"
#include "tests/tour/programs.hpp"

namespace {

using tour::expect_lines;

TEST(tour, futures_by_hand) {
  expect_lines("futures_by_hand", {"2", "1", "花费的时间：~2.0"});
  expect_lines("futures_by_weft", {"2", "1", "花费的时间：~2.0"});
}

TEST(tour, the_longest_finishes_last) {
  expect_lines("three_tasks", {"Task A started...", "Task B started...", "Task C started...",
                               "Task C finished.", "Task B finished.", "Task A finished."});
}

TEST(tour, say_after) {
  for (const char* name :
       {"say_in_a_row", "say_as_tasks", "say_by_gather", "say_in_the_background"})
    expect_lines(name, {"started at %X", "hello", "world", "finished at %X"});
}

TEST(tour, factorials_take_turns) {
  expect_lines("factorials", {"Task A: Compute factorial(2)...", "Task B: Compute factorial(2)...",
                              "Task C: Compute factorial(2)...", "Task A: factorial(2) = 2",
                              "Task B: Compute factorial(3)...", "Task C: Compute factorial(3)...",
                              "Task B: factorial(3) = 6", "Task C: Compute factorial(4)...",
                              "Task C: factorial(4) = 24"});
}

TEST(tour, return_exceptions) {
  expect_lines("return_exceptions", {"5/1=5.0", "6/3=2.0", "[CancelledError(), 5.0, 2.0]"});
}

TEST(tour, awaitables) {
  expect_lines("nobody_spawns", {"something"});
  expect_lines("nested_task", {"42"});
  expect_lines("future_with_callback", {"Hello, world!", "Callback: Hello, world!"});
}

TEST(tour, callbacks_run_before_gather_returns) {
  expect_lines("callbacks", {"Result: A", "Result: B, N: 100", "gathered"});
}

#ifdef TOUR_REQUESTS
void expect_overlap(const char* program) {
  tour::expect_output(program, [](std::vector<std::string> lines) {
    // Twice: both begin before one has its answer; then either is first.
    const std::vector<std::string> a_first{
        "-------A-------", "-------B-------", "200", "-------A1-------", "200", "-------B1-------"};
    const std::vector<std::string> b_first{
        "-------A-------", "-------B-------", "200", "-------B1-------", "200", "-------A1-------"};
    if (lines.size() != 12) return false;
    const std::vector<std::string> joined_later(lines.begin() + 6, lines.end());
    lines.resize(6);
    return (tour::are(lines, a_first) || tour::are(lines, b_first)) &&
           (tour::are(joined_later, a_first) || tour::are(joined_later, b_first));
  });
}
TEST(tour, blocking_requests_overlap) {
  expect_overlap("requests");
}
TEST(tour, blocking_requests_overlap_in_fibers) {
  expect_overlap("requests_in_fibers");
}
#endif

TEST(tour, round_robin) {
  expect_lines("round_robin",
               {"hello~ 2", "hi~ 0", "hello~ 1", "hi~ 1", "say hello", "hi~ 2", "say hi"});
}

TEST(tour, yield_from_is_flat) {
  expect_lines("yield_from", {"['A', 'B', 'C', 1, 2, 3, 'name', 'age', 4, 5, 6, 7]"});
}

TEST(tour, greetings) {
  expect_lines("hello_welch", {"hello", "welch !"});
  for (const char* name : {"bob_welch_in_a_row", "bob_welch_as_tasks"})
    expect_lines(name, {"start at %X", "Bob", "welch", "end at %X"});
  expect_lines("hello_again", {"Hello world!", "Hello again!"});
}

TEST(tour, a_generator_is_sent_a_number) {
  expect_lines("simple_coroutine",
               {"-> coroutine started", "-> coroutine received: None", "StopIteration",
                "-> coroutine started", "-> coroutine received: 10", "StopIteration"});
}

TEST(tour, run_until_complete_leaves_others_pending) {
  expect_lines("run_until_complete", {"~3.0", "pending", "the other task", "~3.0", "done"});
}

TEST(tour, as_completed) {
  expect_lines("as_completed", {"1 delta ~1.0", "5 delta ~4.0", "10 delta ~5.0"});
}

TEST(tour, a_semaphore_lets_three_in) {
  expect_lines("semaphore", {"time delta: ~2.0", "time delta: ~2.0", "time delta: ~2.0",
                             "time delta: ~4.0", "time delta: ~4.0"});
}

TEST(tour, wait_for_ten) {
  tour::expect_output("wait_for_ten", [](const std::vector<std::string>& lines) {
    // None is pending, and those done are in the order in which they were.
    if (lines.size() != 1 || !lines[0].ends_with("}, set())")) return false;
    std::vector<int> results;
    const std::regex result("<Task finished result=(\\d+)>");
    for (std::sregex_iterator i(lines[0].begin(), lines[0].end(), result), end; i != end; ++i)
      results.push_back(std::stoi((*i)[1]));
    return results.size() == 10 && std::ranges::is_sorted(results);
  });
}

TEST(tour, run_in_executor) {
  expect_lines("run_in_executor", {"others run meanwhile", "3 2"});
}

TEST(tour, gather) {
  expect_lines("sleeps_in_a_row", {"start %X", "end %X"});
  expect_lines("sleeps_as_tasks", {"start %X", "end %X"});
  expect_lines("sleeps_gathered", {"%X %X [None, None]", "%X %X [None, None]"});
  expect_lines("gather_of_gathers", {"[['sleep', 'sleep'], ['sleep', 'sleep', 'sleep']]"});
  expect_lines("five_gathered", {"['sleep', 'sleep', 'sleep', 'sleep', 'sleep']"});
  expect_lines("five_in_a_row", {});
}

} // namespace

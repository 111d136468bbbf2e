// SPDX-License-Identifier: BSL-1.0
#include "tests/tour/programs.hpp"

namespace tour {
namespace {

constexpr program all[] = {
    {"futures_by_hand", "an event loop made by hand", futures_by_hand, 2, 3},
    {"futures_by_weft", "the same by weft", futures_by_weft, 2, 3},
    {"three_tasks", "the longest finishes last", three_tasks, 3, 6},
    {"say_in_a_row", "two calls, one after the other", say_in_a_row, 3, 3},
    {"say_as_tasks", "the same as two tasks", say_as_tasks, 2, 3},
    {"say_by_gather", "and by gather", say_by_gather, 2, 3},
    {"say_in_the_background", "and in the background of a sleep", say_in_the_background, 3, 6},
    {"factorials", "three computations take turns", factorials, 3, 6},
    {"return_exceptions", "a cancelled task among others", return_exceptions, 3, 4},
    {"nobody_spawns", "a callable that nobody spawns does nothing", nobody_spawns, 0, 0},
    {"nested_task", "a task and its result", nested_task, 0, 0},
    {"future_with_callback", "a future set by hand", future_with_callback, 0, 0},
    {"callbacks", "callbacks, one with a bound argument", callbacks, 1, 2},
#ifdef TOUR_REQUESTS // there is no patch under a sanitizer
    {"requests", "blocking HTTP requests in an unmodified program", requests, 2, 4},
    {"requests_in_fibers", "the same in fibers, after patch_all", requests_in_fibers, 2, 4},
#endif
    {"round_robin", "a scheduler of generators", round_robin, 0, 0},
    {"yield_from", "one flat sequence", yield_from, 0, 0},
    {"hello_welch", "hello, a pause, welch", hello_welch, 1, 1},
    {"bob_welch_in_a_row", "Bob, then welch", bob_welch_in_a_row, 3, 3},
    {"bob_welch_as_tasks", "Bob and welch", bob_welch_as_tasks, 2, 3},
    {"simple_coroutine", "a generator that is sent a number", simple_coroutine, 0, 0},
    {"hello_again", "hello, and again", hello_again, 1, 1},
    {"run_until_complete", "two runs, and a task that outlasts the first", run_until_complete, 6,
     10},
    {"as_completed", "the first done comes first", as_completed, 10, 16},
    {"semaphore", "at most three at a time", semaphore, 4, 10},
    {"wait_for_ten", "ten random sleeps", wait_for_ten, 10, 50},
    {"run_in_executor", "blocking calls on threads", run_in_executor, 3, 6},
    {"sleeps_in_a_row", "2 s, then 4 s", sleeps_in_a_row, 6, 6},
    {"sleeps_as_tasks", "as tasks", sleeps_as_tasks, 4, 6},
    {"sleeps_gathered", "gathered, as callables and as tasks", sleeps_gathered, 8, 12},
    {"gather_of_gathers", "gathers gathered", gather_of_gathers, 2, 10},
    {"five_gathered", "five gathered", five_gathered, 2, 10},
    {"five_in_a_row", "five in a row", five_in_a_row, 10, 10},
};

} // namespace

std::span<const program> programs() {
  return all;
}

} // namespace tour

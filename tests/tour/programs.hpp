// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <span>
#include <string_view>

#include "tests/tour/stage.hpp"

/// A tour of weft by the programs that introduce others to gevent and asyncio.
namespace tour {

struct program {
  std::string_view name;
  /// What it shows.
  std::string_view shows;
  void (*run)(const stage&);
  /// The seconds it takes, and those of all its waits one after another: the same if it does wait
  /// for one after another.
  double seconds;
  double in_a_row;
};

/// All of them.
std::span<const program> programs();

// futures_by_hand.cpp
void futures_by_hand(const stage&);
void futures_by_weft(const stage&);
// say_after.cpp
void three_tasks(const stage&);
void say_in_a_row(const stage&);
void say_as_tasks(const stage&);
void say_by_gather(const stage&);
void say_in_the_background(const stage&);
// factorials.cpp
void factorials(const stage&);
// return_exceptions.cpp
void return_exceptions(const stage&);
// awaitables.cpp
void nobody_spawns(const stage&);
void nested_task(const stage&);
void future_with_callback(const stage&);
void callbacks(const stage&);
// requests.cpp
void requests(const stage&);
void requests_in_fibers(const stage&);
// round_robin.cpp
void round_robin(const stage&);
// yield_from.cpp
void yield_from(const stage&);
// hello_welch.cpp
void hello_welch(const stage&);
void bob_welch_in_a_row(const stage&);
void bob_welch_as_tasks(const stage&);
void simple_coroutine(const stage&);
void hello_again(const stage&);
// run_until_complete.cpp
void run_until_complete(const stage&);
// as_completed.cpp
void as_completed(const stage&);
// semaphore.cpp
void semaphore(const stage&);
// wait_and_executor.cpp
void wait_for_ten(const stage&);
void run_in_executor(const stage&);
// gather_of_gathers.cpp
void sleeps_in_a_row(const stage&);
void sleeps_as_tasks(const stage&);
void sleeps_gathered(const stage&);
void gather_of_gathers(const stage&);
void five_gathered(const stage&);
void five_in_a_row(const stage&);

} // namespace tour

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <benchmark/benchmark.h>

#include "bench/micro/growth.hpp"
#include "bench/micro/locking.hpp"
#include "bench/micro/messages.hpp"
#include "bench/micro/program.hpp"
#include "bench/micro/registering.hpp"
#include "bench/micro/sleeping.hpp"
#include "bench/micro/spawning.hpp"
#include "bench/micro/switching.hpp"

/// The cases, written once for every library of fibers. A `Library` has
///
///     spawn(f)        queues a fiber; its handle has join()
///     yield(), sleep(span)
///     abandon(handle) no join, and nothing happens when the handle goes
///     mutex, condition_variable
///     count(n)        adds one; fibers are on one thread, threads are not
///     most            fibers that it can have, or that do not take it minutes
///
/// and, if it has such things: start(f) (with a result, for which its handle has get()), semaphore,
/// channel, queue, promise, add_done_callback of a future, count_up() and next(generator),
/// spawn_with_stack(bytes, f), set_and_cancel_timer(span), own_exceptions (a fiber may yield while
/// it handles one).
///
/// Each case reports how many operations an iteration is, in the counter "operations", or its own
/// figure in "ns".
namespace bench {

/// For ten fibers up to a hundred thousand, or to a million.
template <bool million>
void add_growing(const char* name, void (*body)(benchmark::State&)) {
  for (long count = 10; count <= (million ? 1'000'000 : 100'000); count *= 10)
    add(name, body)->Arg(count)->Iterations(1);
}

template <class Library>
void register_light() {
  constexpr bool million = Library::most >= 1'000'000;
  add_spawn_join<spawn_join<Library>>();
  if constexpr (Library::most >= 100'000) {
    add_spawn_join_many<spawn_join<Library>>();
    if constexpr (requires { Library::start([] { return 0L; }); })
      add_twice("skynet", &skynet<Library>);
    add_once("timers", &timers<Library>);
    add_growing<million>("yield_among", &yield_among<Library>);
    if constexpr (million) add("idle_among", &idle_among<Library>)->Arg(1'000'000)->Iterations(1);
    if constexpr (requires { typename Library::semaphore; })
      add_growing<million>("park_among", &park_among<Library>);
    if constexpr (requires { Library::set_and_cancel_timer(std::chrono::seconds(1)); })
      add_growing<million>("timer_among", &timer_among<Library>);
  }
  add_once("sleepers", &sleepers<Library>);
  add("sleep_late", &sleep_late<Library>)->Iterations(1);
  if constexpr (requires { Library::spawn_with_stack(1, [] {}); }) add("stack", &stack<Library>);
}

template <class Library>
void register_cases() {
  add("yield", &yield<Library, 0>)->Arg(2)->Arg(1000);
  add("yield_2_frames", &yield<Library, 2>)->Arg(2);
  add("yield_6_frames", &yield<Library, 6>)->Arg(2);
  add("exception", &exception<Library>);
  if constexpr (requires { Library::own_exceptions; })
    add("exception_held", &exception_held<Library>);
  register_light<Library>();
  add("mutex", &mutex<Library>);
  add("mutex_handed_over", &mutex_handed_over<Library>);
  add("condition_ping_pong", &condition_ping_pong<Library>);
  if constexpr (requires { typename Library::semaphore; }) {
    add("semaphore", &semaphore<Library>);
    add("semaphore_ping_pong", &semaphore_ping_pong<Library>);
  }
  if constexpr (requires { typename Library::channel; }) add("channel", &channel<Library>);
  if constexpr (requires { typename Library::queue; }) add("queue", &queue<Library>);
  if constexpr (requires { typename Library::promise; }) {
    add("future_get", &future_get<Library>);
    if constexpr (requires(typename Library::promise p) {
                    p.get_future().add_done_callback([](const auto&) {});
                  })
      add("future_callback", &future_callback<Library>);
  }
  if constexpr (requires { Library::count_up(); }) add("generator", &generator<Library>);
}

} // namespace bench

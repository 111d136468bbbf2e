// SPDX-License-Identifier: BSL-1.0
#include "tests/semantics/blocking_calls.hpp"

using weft::detail::blocking_call;

namespace blocking {
namespace {

constexpr auto for_ever = std::chrono::hours(1);

void never_ends() {
  weft::sleep(for_ever);
}

/// A list of one task that never ends.
struct one_endless : endless {
  std::vector<weft::task<int>> list{task};
};
struct one_stubborn : stubborn {
  std::vector<weft::task<int>> list{task};
};

/// False if `f` throws timeout_error.
template <class F>
bool in_time(F&& f) {
  try {
    f();
  } catch (const weft::timeout_error&) {
    return false;
  }
  return true;
}

std::vector<variant> with_timeout_variants(blocking_call call) {
  struct replaced {
    weft::task<void> task = weft::spawn(never_ends);
    ~replaced() { task.kill(); }
    weft::task<void>& running() { // the call cancels it when its time is over
      if (task.done()) task = weft::spawn(never_ends);
      return task;
    }
  };
  return {{call, "with_timeout_of_a_task",
           [] {
             return in<replaced>([](replaced& r) { weft::with_timeout(for_ever, r.task); },
                                 [](replaced& r, weft::deadline limit) {
                                   return in_time([&] { weft::with_timeout(limit, r.running()); });
                                 });
           }},
          {call, "with_timeout_of_a_callable",
           [] {
             return in<nothing>([](nothing&) { weft::with_timeout(for_ever, never_ends); },
                                nullptr);
           },
           false}};
}

struct group_of_one {
  weft::task_group group;
  group_of_one() { task = group.spawn(never_ends); }
  ~group_of_one() { task.kill(); }
  weft::task<void> task;
};

/// What passes cancellation on: waiting for it ends its children.
std::vector<variant> gather_variants(blocking_call call) {
  struct gathered : endless {
    weft::future<std::vector<int>> all = weft::gather(std::vector{task});
  };
  return {{call, "gather_get",
           [] { return in<gathered>([](gathered& g) { g.all.get(); }, nullptr); }, false}};
}

weft::co_task<int> awaits(weft::task<int> task) {
  co_return co_await task;
}

/// These pass cancellation on.
std::vector<variant> coroutine_variants(blocking_call call) {
  return {{call, "await_of_a_task",
           [] { return in<endless>([](endless& e) { weft::await(e.task); }, nullptr); }, false},
          {call, "await_of_a_coroutine",
           [] { return in<endless>([](endless& e) { weft::await(awaits(e.task)); }, nullptr); },
           false}};
}

} // namespace

std::vector<variant> several_variants(blocking_call call) {
  switch (call) {
  case blocking_call::get:
    return gather_variants(call);
  case blocking_call::joinall:
    return {{call, "joinall", [] {
               return in<one_endless>(
                   [](auto& world) { weft::joinall(world.list); },
                   [](auto& world, weft::deadline limit) {
                     return !weft::joinall(world.list, {.timeout = limit}).empty();
                   });
             }}};
  case blocking_call::killall:
    return {{call, "killall", [] {
               return in<one_stubborn>(
                   [](auto& world) { weft::killall(world.list); },
                   [](auto& world, weft::deadline limit) {
                     return in_time([&] { weft::killall(world.list, {.timeout = limit}); });
                   });
             }}};
  case blocking_call::wait_for_many:
    return {{call, "wait_for_many", [] {
               return in<one_endless>(
                   [](auto& world) { weft::wait(world.list); },
                   [](auto& world, weft::deadline limit) {
                     return weft::wait(world.list, {.timeout = limit}).pending.empty();
                   });
             }}};
  case blocking_call::iwait:
    return {{call, "iwait", [] {
               return in<one_endless>(
                   [](auto& world) {
                     for ([[maybe_unused]] auto& t : weft::iwait(world.list)) {
                     }
                   },
                   [](auto& world, weft::deadline limit) {
                     for ([[maybe_unused]] auto& t : weft::iwait(world.list, {.timeout = limit}))
                       return true;
                     return false;
                   });
             }}};
  case blocking_call::as_completed:
    return {{call, "as_completed", [] {
               return in<one_endless>(
                   [](auto& world) {
                     for ([[maybe_unused]] auto& t : weft::as_completed(world.list)) {
                     }
                   },
                   [](auto& world, weft::deadline limit) {
                     return in_time([&] {
                       for ([[maybe_unused]] auto& t :
                            weft::as_completed(world.list, {.timeout = limit})) {
                       }
                     });
                   });
             }}};
  case blocking_call::with_timeout:
    return with_timeout_variants(call);
  case blocking_call::task_group_join:
    return {{call, "task_group_join", [] {
               return in<group_of_one>(
                   [](group_of_one& g) { g.group.join(); },
                   [](group_of_one& g, weft::deadline limit) { return g.group.join(limit); });
             }}};
  case blocking_call::coroutine_await:
    return coroutine_variants(call);
  default:
    return {};
  }
}

} // namespace blocking

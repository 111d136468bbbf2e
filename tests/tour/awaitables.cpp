// SPDX-License-Identifier: BSL-1.0
// What can be waited for: a call, a task, a future; and what is called when they are done.
#include <functional>
#include <string>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {

void nobody_spawns(const stage& on) {
  weft::run([&] {
    const auto nested = [&] { on.out << "something\n"; };
    // Naming it does nothing, as asyncio's nested() without await.
    static_cast<void>(nested);
    weft::spawn(nested).join(); // prints "something"
  });
}

void nested_task(const stage& on) {
  weft::run([&] {
    const auto nested = [] { return 42; };
    // It runs at once with this fiber, which goes on.
    const auto task = weft::spawn(nested);
    // It could be cancelled; to wait until it is complete:
    on.out << task.get() << '\n';
  });
}

void future_with_callback(const stage& on) {
  weft::run([&] {
    weft::promise<std::string> promise;
    const auto future = promise.get_future();
    future.add_done_callback(
        [&](const weft::future<std::string>& f) { on.out << "Callback: " << f.get() << '\n'; });
    promise.set_value("Hello, world!");
    on.out << future.get() << '\n'; // there already: no switch, and the callback comes later
  });
}

void callbacks(const stage& on) {
  weft::run([&] {
    const auto task_a = weft::spawn([&] {
      weft::sleep(on.second);
      return "A";
    });
    const auto task_b = weft::spawn([&] {
      weft::sleep(on.second);
      return "B";
    });

    const auto callback = [&](const weft::future<const char*>& future) {
      on.out << "Result: " << future.get() << '\n';
    };
    const auto callback2 = [&](const weft::future<const char*>& future, int n) {
      on.out << "Result: " << future.get() << ", N: " << n << '\n';
    };
    task_a.add_done_callback(callback);
    task_b.add_done_callback(std::bind(callback2, std::placeholders::_1, 100));

    weft::gather(task_a, task_b).get();
    on.out << "gathered\n";
  });
}

} // namespace tour

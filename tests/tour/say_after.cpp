// SPDX-License-Identifier: BSL-1.0
// Sleepers in a row and at once: asyncio's first programs.
#include <string>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {
namespace {

void do_work(const stage& on, const std::string& name, int duration) {
  on.out << "Task " << name << " started...\n";
  weft::sleep(duration * on.second);
  on.out << "Task " << name << " finished.\n";
}

void say_after(const stage& on, int delay, const std::string& what) {
  weft::sleep(delay * on.second);
  on.out << what << '\n';
}

} // namespace

void three_tasks(const stage& on) {
  weft::run([&] {
    weft::gather([&] { do_work(on, "A", 3); }, [&] { do_work(on, "B", 2); },
                 [&] { do_work(on, "C", 1); })
        .get();
  });
}

void say_in_a_row(const stage& on) {
  weft::run([&] {
    on.out << "started at " << on.time() << '\n';
    say_after(on, 1, "hello"); // a call like any other: it is over when it returns
    say_after(on, 2, "world");
    on.out << "finished at " << on.time() << '\n';
  });
}

void say_as_tasks(const stage& on) {
  weft::run([&] {
    const auto task1 = weft::spawn(say_after, on, 1, "hello");
    const auto task2 = weft::spawn(say_after, on, 2, "world");
    on.out << "started at " << on.time() << '\n';
    task1.join();
    task2.join();
    on.out << "finished at " << on.time() << '\n';
  });
}

void say_by_gather(const stage& on) {
  weft::run([&] {
    const auto task1 = weft::spawn(say_after, on, 1, "hello");
    const auto task2 = weft::spawn(say_after, on, 2, "world");
    on.out << "started at " << on.time() << '\n';
    weft::gather(task1, task2).get();
    on.out << "finished at " << on.time() << '\n';
  });
}

void say_in_the_background(const stage& on) {
  weft::run([&] {
    const auto task1 = weft::spawn(say_after, on, 1, "hello");
    const auto task2 = weft::spawn(say_after, on, 2, "world");
    on.out << "started at " << on.time() << '\n';
    weft::sleep(3 * on.second); // run() would cancel them if this were left out
    on.out << "finished at " << on.time() << '\n';
  });
}

} // namespace tour

// SPDX-License-Identifier: BSL-1.0
// Greetings with pauses, and a generator that is sent a number.
#include <optional>
#include <string>

#include <weft/generator.hpp>
#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {
namespace {

void say_after(const stage& on, int delay, const std::string& what) {
  weft::sleep(delay * on.second);
  on.out << what << '\n';
}

} // namespace

void hello_welch(const stage& on) {
  weft::run([&] {
    on.out << "hello\n";
    weft::sleep(on.second);
    on.out << "welch !\n";
  });
}

void bob_welch_in_a_row(const stage& on) {
  weft::run([&] {
    on.out << "start at " << on.time() << '\n';
    say_after(on, 1, "Bob");
    say_after(on, 2, "welch");
    on.out << "end at " << on.time() << '\n';
  });
}

void bob_welch_as_tasks(const stage& on) {
  weft::run([&] {
    const auto task1 = weft::spawn(say_after, on, 1, "Bob");
    const auto task2 = weft::spawn(say_after, on, 2, "welch");
    on.out << "start at " << on.time() << '\n';
    task1.join();
    task2.join();
    on.out << "end at " << on.time() << '\n';
  });
}

void simple_coroutine(const stage& on) {
  const auto body = [&](auto& yield) {
    on.out << "-> coroutine started\n";
    const std::optional<int> x = yield();
    on.out << "-> coroutine received: " << (x ? std::to_string(*x) : "None") << '\n';
  };
  weft::generator<void, int> my_coroutine(body);
  my_coroutine.next();
  if (!my_coroutine.next()) on.out << "StopIteration\n";

  weft::generator<void, int> my_coroutine1(body);
  my_coroutine1.next();
  if (!my_coroutine1.send(10)) on.out << "StopIteration\n";
}

void hello_again(const stage& on) {
  weft::run([&] {
    on.out << "Hello world!\n";
    weft::sleep(on.second);
    on.out << "Hello again!\n";
  });
}

} // namespace tour

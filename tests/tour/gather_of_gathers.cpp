// SPDX-License-Identifier: BSL-1.0
// The same waits in a row, as tasks, gathered, and gathered in groups.
#include <string>
#include <vector>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"
#include "tests/tour/python.hpp"

namespace tour {
namespace {

/// asyncio.sleep(n), as something to be waited for.
auto sleeper(const stage& on, int seconds) {
  return [&on, seconds] { weft::sleep(seconds * on.second); };
}

std::string sleep_and_say(const stage& on) {
  weft::sleep(2 * on.second);
  return "sleep";
}

} // namespace

void sleeps_in_a_row(const stage& on) {
  on.out << "start " << on.time() << '\n';
  weft::sleep(2 * on.second);
  weft::sleep(4 * on.second);
  on.out << "end " << on.time() << '\n';
}

void sleeps_as_tasks(const stage& on) {
  const auto task1 = weft::spawn(sleeper(on, 2));
  const auto task2 = weft::spawn(sleeper(on, 4));
  on.out << "start " << on.time() << '\n';
  task1.join();
  task2.join();
  on.out << "end " << on.time() << '\n';
}

void sleeps_gathered(const stage& on) {
  // callables
  auto start = on.time();
  auto ret = weft::gather(sleeper(on, 2), sleeper(on, 4)).get();
  on.out << start << ' ' << on.time() << ' ' << repr(ret) << '\n';

  // tasks
  start = on.time();
  const auto task1 = weft::spawn(sleeper(on, 2));
  const auto task2 = weft::spawn(sleeper(on, 4));
  ret = weft::gather(task1, task2).get();
  on.out << start << ' ' << on.time() << ' ' << repr(ret) << '\n';
}

void gather_of_gathers(const stage& on) {
  const auto say = [&] { return sleep_and_say(on); };
  const auto two = weft::gather(say, say);
  const auto three = weft::gather(std::vector(3, say));
  on.out << repr(weft::gather(two, three).get()) << '\n';
}

void five_gathered(const stage& on) {
  const std::vector five(5, [&] { return sleep_and_say(on); });
  on.out << repr(weft::gather(five).get()) << '\n';
}

void five_in_a_row(const stage& on) {
  for (int i = 0; i < 5; ++i)
    sleep_and_say(on);
}

} // namespace tour

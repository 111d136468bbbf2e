// SPDX-License-Identifier: BSL-1.0
// Ten sleepers of unknown length; and a blocking call on a thread of its own.
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {
namespace {

template <class Task>
std::string set_of(const std::vector<Task>& tasks) {
  std::string text;
  for (const Task& task : tasks)
    text +=
        (text.empty() ? "" : ", ") + ("<Task finished result=" + std::to_string(task.get()) + ">");
  return tasks.empty() ? "set()" : "{" + text + "}";
}

} // namespace

void wait_for_ten(const stage& on) {
  // The same ten at each run, so that a test can tell.
  std::minstd_rand random(10);
  const auto foo = [&] {
    const int seconds = std::uniform_int_distribution(1, 10)(random);
    weft::sleep(seconds * on.second);
    return seconds;
  };
  const std::vector to_do(10, foo);
  const auto [done, pending] = weft::spawn([&] { return weft::wait(to_do); }).get();
  on.out << '(' << set_of(done) << ", " << set_of(pending) << ")\n";
}

void run_in_executor(const stage& on) {
  weft::run([&] {
    weft::thread_pool executor;
    const auto blocking = [&](int seconds) {
      std::this_thread::sleep_for(seconds * on.second); // weft does not see it
      return seconds;
    };
    const auto ticking = weft::spawn([&] {
      weft::sleep(on.second);
      on.out << "others run meanwhile\n";
    });
    const auto first = weft::run_in_executor(executor, blocking, 3);
    const auto second = weft::to_thread(blocking, 2);
    on.out << first.get() << ' ' << second.get() << '\n';
  });
}

} // namespace tour

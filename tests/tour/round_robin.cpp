// SPDX-License-Identifier: BSL-1.0
// A scheduler of generators, in turn.
#include <deque>
#include <utility>

#include <weft/generator.hpp>

#include "tests/tour/programs.hpp"

namespace tour {
namespace {

using routine = weft::generator<void>;

routine say_hello(const stage& on, int n) {
  return [&on, n](auto& yield) {
    for (int left = n; left > 0; --left) {
      on.out << "hello~ " << left << '\n';
      yield();
    }
    on.out << "say hello\n";
  };
}

routine say_hi(const stage& on, int n) {
  return [&on, n](auto& yield) {
    for (int x = 0; x < n; ++x) {
      on.out << "hi~ " << x << '\n';
      yield();
    }
    on.out << "say hi\n";
  };
}

class task_scheduler {
 public:
  void new_task(routine task) { tasks_.push_back(std::move(task)); }

  /// Until there is no task left.
  void run() {
    while (!tasks_.empty()) {
      routine task = std::move(tasks_.front());
      tasks_.pop_front();
      if (task.next()) tasks_.push_back(std::move(task));
    }
  }

 private:
  std::deque<routine> tasks_;
};

} // namespace

void round_robin(const stage& on) {
  task_scheduler scheduler;
  scheduler.new_task(say_hello(on, 2));
  scheduler.new_task(say_hi(on, 3));
  scheduler.run();
}

} // namespace tour

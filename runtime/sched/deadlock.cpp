// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/deadlock.hpp"

#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "runtime/core/sys.hpp"
#include "runtime/sched/describe_fiber.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/hub_group.hpp"
#include "runtime/sched/patch.hpp"
#include "runtime/sched/state.hpp"
#include "weft/error.hpp"

namespace weft {

using detail::phase;
using detail::state;

namespace detail {

std::atomic<unsigned> helper_threads{under_tsan ? 1u : 0u}; // TSan has one of its own

bool other_threads_exist(unsigned known) noexcept {
  const unsigned helpers = helper_threads.load(std::memory_order_acquire);
  unsigned threads;
  // Under the patch threads are green, and the kernel does not know them.
  if (const weft_patch_table* table = patch_table()) {
    threads = table->thread_count();
  } else {
    struct stat tasks; // a directory's links: itself, its name, and one for each subdirectory
    if (::stat("/proc/self/task", &tasks) != 0) return true;
    threads = static_cast<unsigned>(tasks.st_nlink) - 2;
  }
  // A helper that was given something to do, or is through with it, is none or was none then.
  return threads > 1 + known + helpers || helper_threads.load(std::memory_order_acquire) != helpers;
}

} // namespace detail

std::string hub::describe_deadlock() {
  std::string text = "weft: this operation would block for ever: every fiber waits, and there is "
                     "no timer, descriptor or other thread that could wake one";
  constexpr std::size_t frames = 6; // enough to say where
  text += '\n';
  const auto list = [&](hub& h) {
    for (const state* s :
         detail::fibers_of(h, [](const state& f) { return f.where == phase::parked; }))
      text += "  " + detail::describe_fiber(h, *s, frames);
  };
  list(*this);
  for (unsigned i = 1; group_ && i < group_->size(); ++i)
    list(group_->hub_at(i)); // asleep, since that is what this is about
  text.pop_back();
  return text;
}

/// Nobody is ready and nothing can change that.
void hub::report_deadlock() noexcept {
  state& own = *thread_fiber_;
  // A fiber that called fork was the child's only one, and has ended: as after the last thread.
  if (own.where == phase::finished && fibers_ == 0) std::exit(EXIT_SUCCESS);
  std::string text = "weft: deadlock";
  try {
    text = describe_deadlock();
    if (own.where == phase::parked && own.parked_at->interruptible &&
        interrupt(own, std::make_exception_ptr(deadlock_error(text))))
      return;
  } catch (...) { // no memory for more
  }
  core::sys::fatal((text + "\n").c_str());
}

} // namespace weft

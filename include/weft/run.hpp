// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/spawn.hpp>

namespace [[gnu::visibility("default")]] weft {

/// How many processors this process may use at once: those of the calling thread's affinity mask,
/// or as many as the control group's quota (version 2, cpu.max) comes to, if that is less; a part
/// of one counts as one. At least 1. Looks anew each time. Model: Go's GOMAXPROCS, `nproc`.
[[nodiscard]] unsigned usable_processors();

/// `run(f, {.workers = all_processors})`: as many as `usable_processors()` says.
inline constexpr unsigned all_processors = 0;

/// How `run` makes its fiber, and how many hubs take part.
struct run_options {
  std::string_view name = "run";
  std::size_t stack_size = 0;
  /// Hubs, each on a kernel thread: the caller's, and others that exist while `run` does. With 1
  /// all fibers are of one thread, as gevent's and asyncio's are. At most 1024, else
  /// std::length_error.
  unsigned workers = 1;
};

namespace detail {
/// Throws std::logic_error unless the thread's own fiber, or a thread without a hub, calls.
void check_run();

class worker_hubs;

/// The hubs of one `run`, while it lasts.
class run_workers {
 public:
  /// Throws std::system_error if there are no threads to be had.
  explicit run_workers(unsigned count);
  run_workers(const run_workers&) = delete;
  run_workers& operator=(const run_workers&) = delete;
  /// Ends those that are not the caller's.
  ~run_workers();
  /// Cancels and joins every fiber of theirs.
  void cancel_all_and_join();

 private:
  worker_hubs* others_ = nullptr; // null: there is only the caller's
};
} // namespace detail

/// Runs `f` as a fiber until it is at its end, then cancels and joins every other fiber of this
/// thread's hub, and returns `f`'s result or rethrows its exception (`task_cancelled` if it was
/// cancelled). The hub can be used again afterwards. Model: asyncio.run.
///
/// Blocks the thread, whose own fiber must call (std::logic_error otherwise). Throws
/// `deadlock_error` if what is left can never end, and std::system_error if threads for several
/// workers are not to be had.
///
///     int main() {
///       return weft::run([] { serve(); return 0; });
///     }
///
/// With several workers `f` runs on the caller's hub, and may give fibers to the others: `spawn_on`
/// to one of `hubs()`, `spawn_any` to whichever has time; `spawn` stays where it is called. A fiber
/// that has started stays on its hub, where nothing else runs until it blocks: what only fibers of
/// one hub use needs no lock. Handles, futures, locks, queues and events work between hubs, and
/// waiting is the same. When `f` is at its end, the fibers of all these hubs are cancelled and
/// joined, those that nobody has started included, and the other hubs end. What fibers that clean
/// up spawn meanwhile is joined as well. If every fiber of all hubs waits, and nothing else can
/// wake one, that is a deadlock as on one hub; if those of other hubs cannot even be cancelled, the
/// process ends with the report. A child of fork has the hub that forked, and no other.
///
///     int main() {
///       return weft::run([] { return count_words(); }, {.workers = weft::all_processors});
///     }
template <class F>
requires std::invocable<std::decay_t<F>>
auto run(F&& f, const run_options& options = {}) -> std::invoke_result_t<std::decay_t<F>> {
  detail::check_run();
  detail::run_workers workers(options.workers);
  auto main_task =
      spawn({.name = options.name, .stack_size = options.stack_size}, std::forward<F>(f));
  try {
    main_task.join();
  } catch (...) {
    workers.cancel_all_and_join();
    throw;
  }
  workers.cancel_all_and_join();
  return std::move(main_task).get();
}

} // namespace weft

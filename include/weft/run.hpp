// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/spawn.hpp>

namespace [[gnu::visibility("default")]] weft {

/// How `run` makes its fiber.
struct run_options {
  std::string_view name = "run";
  std::size_t stack_size = 0;
};

namespace detail {
/// Throws std::logic_error unless the thread's own fiber, or a thread without a hub, calls.
void check_run();
/// Cancels and joins every fiber of this thread's hub.
void cancel_all_and_join();
} // namespace detail

/// Runs `f` as a fiber until it is at its end, then cancels and joins every other fiber of this
/// thread's hub, and returns `f`'s result or rethrows its exception (`task_cancelled` if it was
/// cancelled). The hub can be used again afterwards. Model: asyncio.run.
///
/// Blocks the thread, whose own fiber must call (std::logic_error otherwise). Throws
/// `deadlock_error` if what is left can never end.
///
///     int main() {
///       return weft::run([] { serve(); return 0; });
///     }
template <class F>
requires std::invocable<std::decay_t<F>>
auto run(F&& f, const run_options& options = {}) -> std::invoke_result_t<std::decay_t<F>> {
  detail::check_run();
  auto main_task =
      spawn({.name = options.name, .stack_size = options.stack_size}, std::forward<F>(f));
  try {
    main_task.join();
  } catch (...) {
    detail::cancel_all_and_join();
    throw;
  }
  detail::cancel_all_and_join();
  return std::move(main_task).get();
}

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/group.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A group of at most so many members: whoever spawns waits while it is full. Bounds how much is
/// done at a time, be it connections or requests. Model: gevent.pool.Pool.
///
///     weft::pool crawlers(20);
///     for (const auto& url : urls)
///       crawlers.spawn(fetch, url);     // parks while twenty are at it
///     crawlers.join();
///
/// `spawn` and `add` are switch points if they have to wait, and are served in the order of coming;
/// one that is cancelled there spawns nothing. Inside a callback they throw std::logic_error if
/// the pool is full. If every member is parked in its own pool's `spawn` (or `add`, or
/// `wait_available`) without limit, none can ever end: the last one to come there gets a
/// `deadlock_error`.
///
/// For all else see group.
class pool : public group {
 public:
  /// Throws std::invalid_argument for 0.
  explicit pool(std::size_t size);

  /// Spawns if there is room now, and nothing otherwise. Never blocks; anywhere.
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto try_spawn(F&& f, Args&&... args) -> std::optional<task<detail::spawn_result_t<F, Args...>>> {
    detail::group_slot slot(*members_, detail::group_slot::no_wait);
    if (!slot) return std::nullopt;
    return spawn_into(slot, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto try_spawn(const spawn_options& options, F&& f, Args&&... args)
      -> std::optional<task<detail::spawn_result_t<F, Args...>>> {
    detail::group_slot slot(*members_, detail::group_slot::no_wait);
    if (!slot) return std::nullopt;
    return spawn_into(slot, options, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// Waits until there is room. Somebody else may take it: use `try_spawn` then, or a loop.
  void wait_available() { detail::group_wait_available(*members_, INT64_MAX); }
  /// The same with a limit; says whether there was.
  bool wait_available(deadline limit) {
    return detail::group_wait_available(*members_, limit.absolute());
  }

  /// How many more it takes now, and at most.
  [[nodiscard]] std::size_t free_count() const noexcept { return detail::group_free(*members_); }
  [[nodiscard]] bool full() const noexcept { return free_count() == 0; }
  [[nodiscard]] std::size_t capacity() const noexcept { return detail::group_capacity(*members_); }
};

} // namespace weft

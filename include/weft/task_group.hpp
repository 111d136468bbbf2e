// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/spawn.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
class group_block;
std::shared_ptr<group_block> new_group();
void close_group(group_block& group) noexcept;
/// Throws std::logic_error if the group is at its end.
void check_group(group_block& group);
void add_to_group(const std::shared_ptr<group_block>& group, state& child);
bool join_group(group_block& group, std::int64_t until);
void cancel_group(group_block& group) noexcept;
std::size_t group_size(group_block& group) noexcept;
} // namespace detail

/// Tasks that end together: when the scope of the group is left, all of them have ended. The first
/// one that fails cancels the others. Model: Python's asyncio.TaskGroup.
///
///     weft::task_group group;
///     auto a = group.spawn(fetch, first);
///     auto b = group.spawn(fetch, second);
///     group.join();  // both are done, or throws
///     use(a.get(), b.get());
///
/// - A failure is an exception other than `cancelled`; a child that somebody cancels leaves the
///   others alone. Unlike Python's, the fiber that owns the group is not interrupted by a failure;
///   it learns of it in `join`.
/// - A child may spawn into the group, as may any other thread; `join` waits for those as well.
///   What is spawned after the first failure, or after `cancel`, is cancelled before it starts.
/// - The destructor of a group that was not joined (because an exception passes, above all)
///   cancels the children, waits for their end, and throws nothing. It parks the fiber although it
///   is a destructor; in a callback, where that cannot be, it only cancels.
///
/// Neither copied nor moved. The members may be called from any thread.
class task_group {
 public:
  /// Throws std::bad_alloc.
  task_group() : group_(detail::new_group()) {}
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;
  ~task_group() { detail::close_group(*group_); }

  /// As weft::spawn. After `join` is at its end: std::logic_error. No switch point.
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto spawn(F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
    detail::check_group(*group_);
    return added(weft::spawn(std::forward<F>(f), std::forward<Args>(args)...));
  }
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto spawn(const spawn_options& options, F&& f, Args&&... args)
      -> task<detail::spawn_result_t<F, Args...>> {
    detail::check_group(*group_);
    return added(weft::spawn(options, std::forward<F>(f), std::forward<Args>(args)...));
  }

  /// Waits until all children have ended, those included that are spawned meanwhile. If one failed
  /// its exception is thrown; if several did, an `exception_group` of all, in the order in which
  /// they failed.
  ///
  /// Parks the fiber, or blocks a thread without a hub; a switch point unless all have ended. If
  /// the fiber is cancelled meanwhile (or a timeout_scope's time is over), so are the children;
  /// when they have ended, `cancelled` is thrown; or what they failed with, and then the request
  /// stays pending until the next switch point. Throws `deadlock_error` if a child calls it, and
  /// std::logic_error inside a callback.
  void join() { detail::join_group(*group_, INT64_MAX); }
  /// The same with a limit: if it comes first, returns false, and nothing is cancelled. Throws only
  /// when all have ended.
  bool join(deadline limit) { return detail::join_group(*group_, limit.absolute()); }

  /// Requests cancellation of all children. Never blocks, no switch point.
  void cancel() noexcept { detail::cancel_group(*group_); }

  /// How many have not ended.
  [[nodiscard]] std::size_t size() const noexcept { return detail::group_size(*group_); }

 private:
  template <class T>
  task<T> added(task<T> child) {
    detail::add_to_group(group_, *child.internal_state());
    return child;
  }

  std::shared_ptr<detail::group_block> group_;
};

} // namespace weft

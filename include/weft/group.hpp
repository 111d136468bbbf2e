// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <weft/deadline.hpp>
#include <weft/detail/group_core.hpp>
#include <weft/detail/imap_range.hpp>
#include <weft/detail/snapshot_iterator.hpp>
#include <weft/spawn.hpp>
#include <weft/task.hpp>

namespace [[gnu::visibility("default")]] weft {

/// How `imap` goes ahead of who takes the results.
struct imap_options {
  /// How many results may be there, or in the making, beyond one for each place in the pool.
  std::size_t buffer = 0;
};

/// Fibers that belong together: joined, killed and listed as one, and not left behind. Model:
/// gevent.pool.Group.
///
///     weft::group connections;
///     connections.spawn(serve, first);
///     connections.spawn(serve, second);
///     if (!connections.join(10s)) connections.kill();
///
/// - A member is whatever was spawned or added and is not done yet; who is done leaves by itself.
///   One failing does not touch the others (`task_group` is for that): its exception is kept
///   for its handles, or reported if there are none.
/// - Structured: the destructor cancels the members and waits until all are at their end, which
///   nothing interrupts; the caller itself, if it is a member, goes on. Inside a callback,
///   which may not wait, it only cancels them. (gevent's members outlive their group.)
/// - Any thread may use it; a fiber is spawned on the hub of the thread that calls. It must outlive
///   the calls of others, and their spawning into it.
class group {
 public:
  group() : group(SIZE_MAX) {}
  group(const group&) = delete;
  group& operator=(const group&) = delete;
  ~group() = default;

  /// As weft::spawn, and makes the fiber a member. In a pool: waits until there is room.
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto spawn(F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
    detail::group_slot slot(*members_, INT64_MAX);
    return spawn_into(slot, std::forward<F>(f), std::forward<Args>(args)...);
  }
  /// The same with options.
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto spawn(const spawn_options& options, F&& f, Args&&... args)
      -> task<detail::spawn_result_t<F, Args...>> {
    detail::group_slot slot(*members_, INT64_MAX);
    return spawn_into(slot, options, std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// Spawns a member and gives its result, or rethrows: `spawn(f, args...).get()`. Cancelling the
  /// caller leaves the member alone.
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto apply(F&& f, Args&&... args) -> detail::spawn_result_t<F, Args...> {
    return spawn(std::forward<F>(f), std::forward<Args>(args)...).get();
  }

  /// Calls `f` with each item of a range, each in a member of its own, and gives the results in
  /// the order of the items: a vector, nothing if `f` returns nothing. In a pool no more than it
  /// has room for run at a time. Model: gevent's Group.map.
  ///
  ///     std::vector<std::size_t> sizes = downloads.map(size_of_page, urls);
  ///
  /// The first failure, in the order of the items, is rethrown; those that run then are cancelled
  /// and waited for, and the others never start (gevent lets them run on). For the rest see imap.
  template <class F, std::ranges::viewable_range R>
  requires detail::imap_function<std::decay_t<F>, std::views::all_t<R>>
  auto map(F&& f, R&& items) {
    using kept = detail::kept_t<detail::imap_result_t<std::decay_t<F>, std::views::all_t<R>>>;
    auto results = make_imap(std::forward<F>(f), std::forward<R>(items), SIZE_MAX, true);
    if constexpr (std::is_same_v<kept, std::monostate>) {
      for ([[maybe_unused]] auto& nothing : results) {
      }
    } else {
      std::vector<kept> all;
      for (auto& one : results)
        all.push_back(std::move(one));
      return all;
    }
  }

  /// The same one by one: an input range of the results, in the order of the items.
  ///
  ///     for (const auto& page : downloads.imap(fetch_page, urls, {.buffer = 5}))
  ///       print(page);
  ///
  /// - Nothing is started, and no item asked for, before the loop begins. In a pool, what runs and
  ///   what waits to be taken are together at most its capacity and `buffer`: a slow loop holds
  ///   back the pool, and the pool the range, which may be endless. More is started while the loop
  ///   waits for its next result. In a group, which has no capacity, all is started at once.
  /// - Each step waits for its result: a switch point if it has to. If `f` threw, the step rethrows
  ///   it; the step after that (or `begin`) goes on with the next item.
  /// - Leaving the loop early cancels what still runs and waits until that is at its end.
  /// - `f` is called with a copy of each item, as an rvalue; if items cannot be copied and are
  ///   lvalues (a vector of sockets), with the item itself. There is one copy of `f`, which several
  ///   fibers call. A range that is passed as an lvalue has to outlive the loop.
  /// - void becomes std::monostate, a reference std::reference_wrapper.
  /// - To be used by one fiber or thread at a time; a member of the pool that finds it full gets
  ///   the `deadlock_error` of `spawn`.
  ///
  /// Model: gevent's Group.imap, but that nothing is read ahead without bound.
  template <class F, std::ranges::viewable_range R>
  requires detail::imap_function<std::decay_t<F>, std::views::all_t<R>>
  [[nodiscard]] auto imap(F&& f, R&& items, const imap_options& options = {}) {
    return make_imap(std::forward<F>(f), std::forward<R>(items), window(options), true);
  }
  /// The same, but that each result comes as soon as it is there.
  template <class F, std::ranges::viewable_range R>
  requires detail::imap_function<std::decay_t<F>, std::views::all_t<R>>
  [[nodiscard]] auto imap_unordered(F&& f, R&& items, const imap_options& options = {}) {
    return make_imap(std::forward<F>(f), std::forward<R>(items), window(options), false);
  }

  /// Makes a task or future a member; no effect if it is one, or is done. In a pool: waits until
  /// there is room. Throws `future_error` for an empty handle.
  void add(const future_base& member) {
    detail::state& s = state_of(member, "group::add");
    if (s.done() || detail::group_contains(*members_, s)) return;
    detail::group_slot(*members_, INT64_MAX).fill(s);
  }
  /// It is no member any more, and runs on. False if it was none.
  bool discard(const future_base& member) noexcept {
    return member.valid() && detail::group_discard(*members_, *member.internal_state());
  }
  [[nodiscard]] bool contains(const future_base& member) const noexcept {
    return member.valid() && detail::group_contains(*members_, *member.internal_state());
  }

  [[nodiscard]] std::size_t size() const noexcept { return detail::group_size(*members_); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  /// Handles of all members, as of now. `weft::joinall(g.members(), {.raise_error = true})` waits
  /// for them and rethrows the first failure.
  [[nodiscard]] std::vector<any_task> members() const { return detail::group_members(*members_); }
  /// Iterates over the members as of now: `for (const weft::any_task& t : connections)`.
  [[nodiscard]] detail::snapshot_iterator<any_task> begin() const {
    return detail::snapshot_iterator<any_task>(members());
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  /// Waits until there is no member: all have ended, those included that are spawned meanwhile.
  /// Never rethrows. A switch point unless that is so already; cancelling the caller leaves the
  /// members alone. Throws `deadlock_error` if the caller is a member.
  void join() const { detail::group_join(*members_, INT64_MAX); }
  /// The same with a limit; says whether there is none.
  bool join(deadline limit) const { return detail::group_join(*members_, limit.absolute()); }

  /// Requests the end of each member, and does not wait. Never blocks, anywhere.
  void cancel() noexcept { detail::group_cancel(*members_); }

  /// Cancels all members, those included that are spawned meanwhile, and waits until there is none.
  /// If the caller is a member, it is cancelled last: then the call throws `cancelled`.
  void kill() { detail::group_kill(*members_, INT64_MAX); }
  /// The same with a limit; says whether there is none left (but the caller).
  bool kill(deadline limit) { return detail::group_kill(*members_, limit.absolute()); }

 protected:
  explicit group(std::size_t capacity) : members_(capacity) {}

  template <class... Call>
  static auto spawn_into(detail::group_slot& slot, Call&&... call) {
    auto member = weft::spawn(std::forward<Call>(call)...);
    slot.fill(*member.internal_state());
    return member;
  }
  template <class F, class R>
  auto make_imap(F&& f, R&& items, std::size_t most, bool in_order) {
    detail::refuse_null(f);
    return detail::imap_range<std::decay_t<F>, std::views::all_t<R>>(
        *members_, std::forward<F>(f), std::views::all(std::forward<R>(items)), most, in_order);
  }
  [[nodiscard]] std::size_t window(const imap_options& options) const noexcept {
    const std::size_t room = detail::group_capacity(*members_);
    return options.buffer > SIZE_MAX - room ? SIZE_MAX : room + options.buffer;
  }
  static detail::state& state_of(const future_base& f, const char* call) {
    if (!f.valid()) detail::throw_no_state(call);
    return *f.internal_state();
  }

  detail::group_ref members_;
};

} // namespace weft

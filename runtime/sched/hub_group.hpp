// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/core/idle.hpp"
#include "runtime/core/stealing_queue.hpp"
#include "runtime/sched/homeless.hpp"
#include "runtime/sched/ready_queue.hpp"

namespace weft {
class hub;
}

namespace weft::detail {

/// Hubs that take fibers which any of them may start: what `run` makes of several workers. Each has
/// a queue of its own, into which its spawn_any puts; a hub whose queue is empty looks at what did
/// not fit into somebody's, and then steals half of another one's.
class hub_group {
 public:
  static constexpr unsigned most_hubs = 1024;

  /// Of so many hubs, each of which enters by `hub::enter_group` before any of them shares.
  explicit hub_group(unsigned hubs);

  void set_hub(unsigned index, hub& h) noexcept { members_[index]->of = &h; }
  [[nodiscard]] unsigned size() const noexcept { return static_cast<unsigned>(members_.size()); }
  [[nodiscard]] hub& hub_at(unsigned index) const noexcept { return *members_[index]->of; }

  /// Shares a fiber, on the thread of member `index`, and wakes a hub for it if need be.
  void share(unsigned index, homeless_fiber& fiber) noexcept;
  /// One of member `index`'s own, or of those that had no place; null: none. On its thread.
  homeless_fiber* take(unsigned index) noexcept;
  /// One of another member's, whose further ones go into `index`'s queue; null: none. On its
  /// thread.
  homeless_fiber* steal(unsigned index) noexcept;
  /// Whether there is something to take or to steal.
  [[nodiscard]] bool has_work() const noexcept;

  using idle_hubs = core::idle_workers<most_hubs>;
  idle_hubs& idle() noexcept { return idle_; }
  /// Ends a member's sleep.
  void unpark(unsigned index) noexcept;

  /// From now on hubs cancel whatever they take or are sent, but for what is made in cleaning up.
  void begin_end() noexcept { ending_.store(true, std::memory_order_release); }
  [[nodiscard]] bool is_ending() const noexcept { return ending_.load(std::memory_order_acquire); }

  /// In a forked child: what nobody has taken is cancelled, and nobody is told.
  void lose_all() noexcept;

 private:
  using queue = core::stealing_queue<homeless_fiber>;

  struct member {
    hub* of = nullptr;
    unsigned takes = 0;
    unsigned next_victim = 0;
    queue shared;
  };

  void overflow(member& m, homeless_fiber& fiber) noexcept;
  homeless_fiber* take_overflowed(member& m) noexcept;

  std::vector<std::unique_ptr<member>> members_;
  idle_hubs idle_;
  std::atomic<bool> ending_{false};
  std::atomic<std::size_t> overflowed_{0}; // how many are in:
  ready_queue overflow_;
  std::mutex overflow_mutex_;
};

} // namespace weft::detail

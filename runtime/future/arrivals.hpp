// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "runtime/core/clock.hpp"
#include "runtime/sched/state.hpp"
#include "weft/detail/completion_range.hpp"
#include "weft/detail/sync_lock.hpp"
#include "weft/detail/wait_list.hpp"

namespace weft::detail {

/// Many states that one waits for: the mechanism behind joinall, wait, iwait and as_completed.
/// Records in which order they are done. It has a place in each one's list of waiters until
/// `leave`. May be used from any thread, and delivered to from several.
class arrivals {
 public:
  using pointer = open_arrivals; // whose end is `leave`

  /// The states have handles for as long as this is used.
  static pointer make(std::vector<state*> states) {
    return pointer(new arrivals(std::move(states)));
  }

  /// When a wait is over.
  struct wanted {
    std::size_t count; // so many are done
    bool or_a_failure; // one ended in an exception (a cancelled one is no failure)
    blocking_call call;
  };

  /// Waits until there is what is wanted, or until the absolute time; says which. A switch point
  /// unless it is there at once.
  bool wait(core::nanoseconds until, wanted what);

  /// Places of those done so far, in order of completion. Further calls may give more.
  [[nodiscard]] std::vector<std::size_t> arrived();
  /// One of those, which is there.
  [[nodiscard]] std::size_t arrived_at(std::size_t index);
  void leave() noexcept;

 private:
  struct place : completion {
    arrivals* owner = nullptr;
    std::size_t index = 0;
    bool pending = false;
  };

  explicit arrivals(std::vector<state*> states);
  ~arrivals() = default;

  void note_those_done_before();
  void refuse_own_fiber() const;
  void attach_to_the_rest();
  void note(std::size_t index) noexcept;
  [[nodiscard]] bool has(const wanted& what) const noexcept;
  waiter* take_satisfied() noexcept;
  static void deliver(inbox_item& item) noexcept;

  const std::vector<state*> states_;
  std::vector<std::size_t> waiting_; // places of those not done at first
  std::unique_ptr<place[]> places_;  // theirs, once attached
  sync_lock lock_;                   // of what follows
  std::vector<std::size_t> arrived_; // has room for all
  bool a_failure_ = false;           // among them
  std::size_t outstanding_ = 0;      // places that may still be delivered to
  bool left_ = false;
  wait_list waiters_;
};

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#include "weft/joinall.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"

namespace weft::detail {
namespace {

/// One wait for many states: a place in each one's list of waiters.
class group_wait {
 public:
  group_wait(const std::vector<state*>& states, const join_options& options, hub* h)
      : states_(states), raise_(options.raise_error),
        count_(std::min(options.count, states.size())), hub_(h) {
    done_.reserve(count_);
  }

  std::vector<std::size_t> run(const deadline& limit) {
    note_those_done_before();
    if (!complete()) {
      if (hub_) fiber_ = &hub_->running_or_throw();
      refuse_own_fiber();
      if (hub_) hub_->switch_point();
      wait_for_the_rest(limit.absolute());
    }
    if (raise_ && failed_) throw_outcome(*failed_);
    return std::move(done_);
  }

 private:
  struct node : completion {
    group_wait* group = nullptr;
    std::size_t place = 0;
    bool pending = false; // attached and not delivered
  };

  /// Holds what deliveries write to. In a hub there is only one thread.
  class guard {
   public:
    explicit guard(group_wait& group) : lock_(threads_mutex, std::defer_lock) {
      if (!group.hub_) lock_.lock();
    }
    std::unique_lock<std::mutex>& lock() noexcept { return lock_; }

   private:
    std::unique_lock<std::mutex> lock_;
  };

  [[nodiscard]] bool complete() const noexcept {
    return done_.size() >= count_ || (raise_ && failed_ != nullptr);
  }

  void note_done(std::size_t place) noexcept {
    if (leaving_ || complete()) return;
    done_.push_back(place); // reserved
    state& s = *states_[place];
    if (!failed_ && s.outcome.load(std::memory_order_acquire) == outcome_kind::error) failed_ = &s;
  }

  /// In the order in which they ended, as far as that is known: each hub counts its own.
  void note_those_done_before() {
    std::vector<std::size_t> before;
    for (std::size_t i = 0; i < states_.size(); ++i)
      (states_[i]->done() ? before : waiting_).push_back(i);
    const bool one_home = std::all_of(before.begin(), before.end(), [&](std::size_t i) {
      return states_[i]->home && states_[i]->home == states_[before.front()]->home;
    });
    if (one_home)
      std::stable_sort(before.begin(), before.end(), [&](std::size_t a, std::size_t b) {
        return states_[a]->finished_as < states_[b]->finished_as;
      });
    for (const std::size_t place : before)
      note_done(place);
  }

  void refuse_own_fiber() const {
    for (const std::size_t i : waiting_)
      if (fiber_ && states_[i] == fiber_)
        throw deadlock_error("weft: this operation would block for ever: " + describe(*fiber_) +
                             " waits for itself");
  }

  void wait_for_the_rest(core::nanoseconds until) {
    nodes_ = std::make_unique<node[]>(waiting_.size());
    for (std::size_t i = 0; i < waiting_.size(); ++i)
      attach_one(nodes_[i], waiting_[i]);
    wake result = wake::woken;
    if (until != 0) {
      if (hub_) {
        if (!complete()) result = hub_->park(until, blocking_call::joinall);
      } else {
        guard held(*this);
        wait_on_thread(held.lock(), until, [&] { return complete(); });
      }
    }
    detach_all();
    if (result == wake::interrupted && !complete()) hub_->throw_interrupt();
  }

  void attach_one(node& n, std::size_t place) noexcept {
    n.group = this;
    n.place = place;
    n.home = hub_;
    n.deliver = &deliver;
    n.pending = true;
    if (attach(*states_[place], n)) return;
    const guard held(*this);
    n.pending = false;
    note_done(place);
  }

  static void deliver(inbox_item& item) noexcept {
    auto& n = static_cast<node&>(item);
    group_wait& group = *n.group;
    const guard held(group);
    n.pending = false;
    group.note_done(n.place);
    if (!group.leaving_ && !group.complete()) return;
    if (group.hub_)
      group.hub_->unpark(*group.fiber_);
    else
      group.changed_.notify_all(); // under the mutex: the group cannot go away meanwhile
  }

  /// What is done from here on does not count; no delivery is to come when this returns.
  void detach_all() noexcept {
    {
      const guard held(*this);
      leaving_ = true;
    }
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      node& n = nodes_[i];
      if (detach(n)) continue;
      if (hub_) {
        while (n.pending)
          hub_->park(core::never, blocking_call::joinall, nullptr, false);
      } else {
        guard held(*this);
        wait_on_thread(held.lock(), core::never, [&] { return !n.pending; });
      }
    }
  }

  template <class Condition>
  void wait_on_thread(std::unique_lock<std::mutex>& lock, core::nanoseconds until,
                      Condition condition) {
    if (until == core::never)
      changed_.wait(lock, condition);
    else
      changed_.wait_until(
          lock, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(until)), condition);
  }

  // One for all: a delivery may still be about to unlock it when its wait is gone.
  static inline std::mutex threads_mutex;

  const std::vector<state*>& states_;
  std::vector<std::size_t> waiting_; // places of those not done at first
  std::unique_ptr<node[]> nodes_;    // theirs
  std::vector<std::size_t> done_;
  state* failed_ = nullptr;
  bool raise_;
  bool leaving_ = false;
  std::size_t count_;
  hub* hub_;
  state* fiber_ = nullptr;
  std::condition_variable changed_;
};

} // namespace

std::vector<std::size_t> wait_for_many(const std::vector<state*>& states,
                                       const join_options& options) {
  return group_wait(states, options, this_hub).run(options.timeout);
}

void kill_many(const std::vector<state*>& states, const kill_options& options) {
  const state* const self = this_hub ? this_hub->running() : nullptr;
  std::vector<state*> others;
  bool own = false;
  for (state* s : states) {
    cancel_state(*s, options.exception);
    if (s == self)
      own = true;
    else
      others.push_back(s);
  }
  if (options.block) {
    const auto dead = wait_for_many(others, {.timeout = options.timeout});
    if (dead.size() < others.size()) {
      std::string names;
      for (const state* s : others)
        if (!s->done()) names += (names.empty() ? "" : ", ") + name_of(*s);
      throw timeout_error("weft: killall: still alive: " + names);
    }
  }
  if (own) this_hub->switch_point();
}

} // namespace weft::detail

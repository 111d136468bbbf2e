// SPDX-License-Identifier: BSL-1.0
#include "weft/task_group.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

#include "runtime/core/list.hpp"
#include "runtime/future/wait.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"
#include "weft/detail/sync_lock.hpp"
#include "weft/error.hpp"
#include "weft/promise.hpp"

namespace weft::detail {

namespace {

/// One child, in one of the group's lists until it has ended. Failed ones stay.
struct group_child : completion, core::list_hook<> {
  std::shared_ptr<group_block> group; // until it has ended
  state_ref task;
  std::shared_ptr<group_child> self; // while it is in a list
};

bool cancel_by_end(state& end) noexcept;
constexpr state_type group_end_type{nullptr, nullptr, nullptr, &cancel_by_end};

} // namespace

/// What a task_group is. The state `end` gets its outcome when nobody is left and somebody joins:
/// that is what is waited for, and what passes cancellation on to the children.
class group_block {
 public:
  group_block() : end_(new_promise(group_end_type)) {
    ::new (static_cast<void*>(end_->storage)) void*(this);
  }
  group_block(const group_block&) = delete;
  group_block& operator=(const group_block&) = delete;
  ~group_block() {
    while (!failed_.empty())
      failed_.pop_front().self.reset();
  }
  static group_block& of(state& end) noexcept {
    return *static_cast<group_block*>(*std::launder(reinterpret_cast<void**>(end.storage)));
  }

  void check();
  static void add(const std::shared_ptr<group_block>& group, state& task);
  bool join(core::nanoseconds until);
  void cancel() noexcept;
  void close() noexcept;
  std::size_t size() noexcept {
    const std::lock_guard held(lock_);
    return live_;
  }

 private:
  static void deliver(inbox_item& item) noexcept {
    auto& child = static_cast<group_child&>(item);
    const auto group = std::move(child.group);
    group->child_done(child);
  }
  void child_done(group_child& child) noexcept;
  [[nodiscard]] bool is_child(const state* fiber) noexcept;
  [[nodiscard]] bool at_its_end() const noexcept { return live_ == 0 && joiners_ > 0; }
  bool begin_join() noexcept;
  void throw_failures();

  const state_ref end_;
  sync_lock lock_;                // of what follows
  core::list<group_child> asked_; // to end
  core::list<group_child> unasked_;
  core::list<group_child> failed_;
  std::size_t live_ = 0;
  std::size_t joiners_ = 0;
  bool ending_ = false; // whoever comes now is cancelled
  bool ended_ = false;
};

namespace {
bool cancel_by_end(state& end) noexcept {
  if (end.done()) return false;
  group_block::of(end).cancel(); // alive: only who joins it has this state
  return true;
}
} // namespace

void group_block::check() {
  const std::lock_guard held(lock_);
  if (ended_)
    throw std::logic_error("weft: task_group::spawn after join; make another group for more tasks");
}

void group_block::add(const std::shared_ptr<group_block>& group, state& task) {
  std::shared_ptr<group_child> child;
  try {
    child = std::make_shared<group_child>();
  } catch (...) {
    cancel_state(task, nullptr);
    throw;
  }
  retain(task);
  child->task = state_ref(&task);
  child->group = group;
  child->self = child;
  child->deliver = &deliver;
  bool ending;
  {
    const std::lock_guard held(group->lock_);
    ending = group->ending_;
    (ending ? group->asked_ : group->unasked_).push_back(*child);
    ++group->live_;
  }
  if (!attach(task, *child)) deliver(*child);
  if (ending) cancel_state(task, nullptr);
}

void group_block::child_done(group_child& child) noexcept {
  const bool failed = child.task->outcome.load(std::memory_order_acquire) == outcome_kind::error;
  std::shared_ptr<group_child> done;
  bool first = false;
  bool end;
  {
    const std::lock_guard held(lock_);
    static_cast<core::list_hook<>&>(child).unlink();
    if (failed) {
      failed_.push_back(child);
      first = !std::exchange(ending_, true);
    } else {
      done = std::move(child.self);
    }
    --live_;
    end = at_its_end() && !std::exchange(ended_, true);
  }
  if (first) cancel();
  if (end) settle(*end_, outcome_kind::value);
}

/// Each child once; those that were asked before are asked again.
void group_block::cancel() noexcept {
  {
    const std::lock_guard held(lock_);
    ending_ = true;
    unasked_.append(asked_);
  }
  while (true) {
    std::shared_ptr<group_child> child;
    {
      const std::lock_guard held(lock_);
      if (unasked_.empty()) return;
      group_child& next = unasked_.pop_front();
      asked_.push_back(next);
      child = next.self;
    }
    cancel_state(*child->task, nullptr);
  }
}

bool group_block::is_child(const state* fiber) noexcept {
  bool found = false;
  const std::lock_guard held(lock_);
  for (auto* list : {&asked_, &unasked_})
    list->for_each([&](const group_child& child) { found = found || child.task.get() == fiber; });
  return found;
}

/// Somebody waits from now on; says whether there is nobody to wait for.
bool group_block::begin_join() noexcept {
  bool end;
  {
    const std::lock_guard held(lock_);
    ++joiners_;
    end = at_its_end() && !std::exchange(ended_, true);
  }
  if (end) settle(*end_, outcome_kind::value);
  return end;
}

bool group_block::join(core::nanoseconds until) {
  if (const hub* h = this_hub)
    if (const state& self = h->running_or_throw(); is_child(&self))
      throw deadlock_error("weft: this operation would block for ever: " + describe(self) +
                           " joins the group that it is in");
  begin_join();
  const auto [done, interrupted] = wait_passing_on(*end_, until, blocking_call::task_group_join);
  {
    const std::lock_guard held(lock_);
    --joiners_;
  }
  if (done) throw_failures();
  if (interrupted) this_hub->throw_interrupt();
  return done;
}

/// Once it has ended: nothing changes any more.
void group_block::throw_failures() {
  std::vector<std::exception_ptr> errors;
  failed_.for_each(
      [&](const group_child& child) { errors.push_back(outcome_exception(*child.task)); });
  if (errors.size() == 1) std::rethrow_exception(errors.front());
  if (!errors.empty()) throw exception_group(std::move(errors));
}

void group_block::close() noexcept {
  if (!begin_join()) {
    cancel();
    const hub* const h = this_hub;
    if (!h || (h->running() && !is_child(h->running())))
      wait_passing_on(*end_, core::never, blocking_call::task_group_join, false);
  }
}

std::shared_ptr<group_block> new_group() {
  return std::make_shared<group_block>();
}
void close_group(group_block& group) noexcept {
  group.close();
}
void check_group(group_block& group) {
  group.check();
}
void add_to_group(const std::shared_ptr<group_block>& group, state& child) {
  group_block::add(group, child);
}
bool join_group(group_block& group, std::int64_t until) {
  return group.join(until);
}
void cancel_group(group_block& group) noexcept {
  group.cancel();
}
std::size_t group_size(group_block& group) noexcept {
  return group.size();
}

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#include "weft/task_group.hpp"

#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
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
  group_block* group = nullptr;
  state_ref task;
  std::atomic<std::uint32_t> users{1}; // its completion; who cancels it

  void drop() noexcept {
    if (users.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
};

bool cancel_by_end(state& end) noexcept;
constexpr state_type group_end_type{nullptr, nullptr, nullptr, &cancel_by_end};

} // namespace

/// What a task_group is. The state `end` gets its outcome when nobody is left and somebody joins:
/// that is what is waited for, and what passes cancellation on to the children.
class group_block {
 public:
  group_block() : end_(new_promise(group_end_type)) {
    group_block* const self = this;
    std::memcpy(end_->storage, &self, sizeof self);
  }
  static group_block& of(state& end) noexcept {
    group_block* group;
    std::memcpy(&group, end.storage, sizeof group);
    return *group;
  }

  void check();
  void add(state& child);
  bool join(core::nanoseconds until);
  void cancel() noexcept;
  void close() noexcept;
  std::size_t size() noexcept {
    const std::lock_guard held(lock_);
    return live_;
  }

  void keep() noexcept { users_.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  ~group_block() {
    while (!failed_.empty())
      failed_.pop_front().drop();
  }

  static void deliver(inbox_item& item) noexcept {
    auto& child = static_cast<group_child&>(item);
    child.group->child_done(child);
  }
  void child_done(group_child& child) noexcept;
  [[nodiscard]] bool is_child(const state* fiber) noexcept;
  [[nodiscard]] bool at_its_end() const noexcept { return live_ == 0 && joiners_ > 0; }
  bool begin_join() noexcept;
  void throw_failures();

  const state_ref end_;
  std::atomic<std::size_t> users_{1}; // the task_group, each child, who cancels
  sync_lock lock_;                    // of what follows
  core::list<group_child> asked_;     // to end
  core::list<group_child> unasked_;
  core::list<group_child> failed_;
  std::size_t live_ = 0;
  std::size_t joiners_ = 0;
  bool ending_ = false; // whoever comes now is cancelled
  bool ended_ = false;
};

namespace {
bool cancel_by_end(state& end) noexcept {
  group_block* group;
  {
    const state_guard held(end);
    if (end.done()) return false;
    group = &group_block::of(end);
    group->keep(); // alive: who joins has it
  }
  group->cancel();
  group->drop();
  return true;
}
} // namespace

void group_block::check() {
  const std::lock_guard held(lock_);
  if (ended_)
    throw std::logic_error("weft: task_group::spawn after join; make another group for more tasks");
}

void group_block::add(state& task) {
  auto owned = std::unique_ptr<group_child>(new (std::nothrow) group_child);
  if (!owned) {
    cancel_state(task, nullptr);
    throw std::bad_alloc();
  }
  retain(task);
  owned->task = state_ref(&task);
  owned->group = this;
  owned->deliver = &deliver;
  group_child& child = *owned.release();
  keep();
  child.users.fetch_add(1, std::memory_order_relaxed); // this function
  bool ending;
  {
    const std::lock_guard held(lock_);
    ending = ending_;
    (ending ? asked_ : unasked_).push_back(child);
    ++live_;
  }
  if (!attach(task, child)) child_done(child);
  if (ending) cancel_state(task, nullptr);
  child.drop();
}

void group_block::child_done(group_child& child) noexcept {
  const bool failed = child.task->outcome.load(std::memory_order_acquire) == outcome_kind::error;
  bool first = false;
  bool end;
  {
    const std::lock_guard held(lock_);
    static_cast<core::list_hook<>&>(child).unlink();
    if (failed) {
      failed_.push_back(child);
      first = !std::exchange(ending_, true);
    }
    --live_;
    end = at_its_end() && !std::exchange(ended_, true);
  }
  if (!failed) child.drop();
  if (first) cancel();
  if (end) settle(*end_, outcome_kind::value);
  drop();
}

/// Each child once; those that were asked before are asked again.
void group_block::cancel() noexcept {
  {
    const std::lock_guard held(lock_);
    ending_ = true;
    unasked_.append(asked_);
  }
  while (true) {
    group_child* child;
    {
      const std::lock_guard held(lock_);
      if (unasked_.empty()) return;
      child = &unasked_.pop_front();
      asked_.push_back(*child);
      child->users.fetch_add(1, std::memory_order_relaxed);
    }
    cancel_state(*child->task, nullptr);
    child->drop();
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
  drop();
}

group_block* new_group() {
  return new group_block;
}
void close_group(group_block* group) noexcept {
  group->close();
}
void check_group(group_block& group) {
  group.check();
}
void add_to_group(group_block& group, state& child) {
  group.add(child);
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

// SPDX-License-Identifier: BSL-1.0
#include "weft/group.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "runtime/core/list.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"
#include "weft/detail/group_core.hpp"
#include "weft/detail/wait_list.hpp"
#include "weft/error.hpp"
#include "weft/pool.hpp"

namespace weft::detail {

/// A member's place in the group, and in the list of those who wait for it. Delivered wherever it
/// ends.
struct group_member : completion, core::list_hook<> {
  group_core* group = nullptr;
  state_ref task;
  std::uint64_t cancelled_in = 0; // the last round of cancellation that it was part of
};

namespace {

/// What those who wait for a slot want: to take it, or to see that there is one.
enum wish : std::uint32_t { take = 0, look = 1, endless = 2 };

void on_done(inbox_item& item) noexcept;

} // namespace

/// What a group and its members share. Order of locks: this one's, then a state's.
class group_core {
 public:
  explicit group_core(std::size_t capacity) : capacity_(capacity) {}

  void retain() noexcept { owners_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  bool take_slot(std::int64_t until) { return wait_for_slot(until, wish::take); }
  bool wait_available(std::int64_t until) { return wait_for_slot(until, wish::look); }

  void give_slot_back() noexcept {
    std::unique_lock held(lock_);
    wait_chain woken;
    free_slot(woken);
    held.unlock();
    resume_all(woken.first());
  }

  /// False if it is done already: then it is no member, and its slot is free.
  void enter(group_member& m) noexcept {
    state& s = *m.task; // the caller has a handle as well
    std::unique_lock held(lock_);
    m.cancelled_in = rounds_;
    members_.push_back(m);
    ++size_;
    retain();
    const bool pending = attach(s, m);
    const bool killing = killing_ > 0;
    held.unlock();
    if (!pending)
      leave(m);
    else if (killing)
      cancel_state(s, nullptr);
  }

  /// It is done.
  void leave(group_member& m) noexcept {
    {
      std::unique_lock held(lock_);
      wait_chain woken;
      remove(m, woken);
      held.unlock();
      resume_all(woken.first());
    }
    delete &m; // with its handle: the result may be destroyed here
    release();
  }

  bool contains(const state& s) noexcept { return member_of(const_cast<state&>(s)) != nullptr; }

  bool discard(state& s) noexcept {
    std::unique_lock held(lock_);
    group_member* const m = member_of(s);
    if (!m || !detach(*m)) return false;
    wait_chain woken;
    remove(*m, woken);
    held.unlock();
    resume_all(woken.first());
    delete m;
    release();
    return true;
  }

  std::size_t size() noexcept {
    const std::lock_guard held(lock_);
    return size_;
  }
  std::size_t free_slots() noexcept {
    const std::lock_guard held(lock_);
    return capacity_ - taken_;
  }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  std::vector<any_task> members() {
    std::vector<any_task> all;
    const std::lock_guard held(lock_);
    all.reserve(size_);
    members_.for_each([&](group_member& m) { all.emplace_back(m.task); });
    return all;
  }

  /// Each one that is a member now, `except` left out. Not under the lock: one that is cancelled
  /// may be done, and leave, at once.
  void cancel_all(const state* except = nullptr) noexcept {
    std::unique_lock held(lock_);
    const std::uint64_t round = ++rounds_;
    while (!members_.empty() && members_.front().cancelled_in < round) {
      group_member& m = members_.pop_front();
      m.cancelled_in = round;
      members_.push_back(m);
      const state_ref task = m.task;
      if (task.get() == except) continue;
      held.unlock();
      cancel_state(*task, nullptr);
      held.lock();
    }
  }

  bool join(std::int64_t until) {
    if (state* const self = running_fiber(); self && contains(*self))
      throw deadlock_error("weft: this operation would block for ever: " + describe(*self) +
                           " joins a group that it is a member of");
    return wait_until_left(0, until, blocking_call::group_join, true);
  }

  /// Whoever becomes a member meanwhile is cancelled as well.
  bool kill(std::int64_t until) {
    state* const self = running_fiber();
    const bool own = self && contains(*self);
    const killing_guard guard(*this);
    cancel_all(own ? self : nullptr);
    if (!wait_until_left(own ? 1 : 0, until, blocking_call::kill, true)) return false;
    if (own) {
      cancel_state(*self, nullptr);
      this_hub->switch_point();
    }
    return true;
  }

  void end() noexcept {
    const killing_guard guard(*this);
    state* const self = running_fiber();
    const bool own = self && contains(*self);
    if (own) discard(*self); // it goes on
    cancel_all();
    if (!this_hub || self) wait_until_left(0, INT64_MAX, blocking_call::group_join, false);
  }

 private:
  /// While it exists, new members are cancelled.
  class killing_guard {
   public:
    explicit killing_guard(group_core& group) noexcept : group_(group) { add(1); }
    killing_guard(const killing_guard&) = delete;
    killing_guard& operator=(const killing_guard&) = delete;
    ~killing_guard() { add(-1); }

   private:
    void add(int n) noexcept {
      const std::lock_guard held(group_.lock_);
      group_.killing_ += n;
    }
    group_core& group_;
  };

  static state* running_fiber() noexcept { return this_hub ? this_hub->running() : nullptr; }

  /// Found among those who wait for it, of whom there are few.
  group_member* member_of(state& s) noexcept {
    const state_guard held(s);
    completion* c = s.waiters;
    if (!c) return nullptr;
    do {
      if (c->deliver == &on_done && static_cast<group_member*>(c)->group == this)
        return static_cast<group_member*>(c);
      c = c->next;
    } while (c != s.waiters);
    return nullptr;
  }

  void remove(group_member& m, wait_chain& woken) noexcept {
    m.unlink();
    --size_;
    free_slot(woken);
    for (waiter* w = joiners_.first(); w;) {
      waiter* const next = w->next;
      if (size_ <= w->kind) { // what it lets be left
        joiners_.remove(*w);
        woken.push_back(*w);
      }
      w = next;
    }
  }

  /// The slot goes to the first who wants it, past those who only want to see it.
  void free_slot(wait_chain& woken) noexcept {
    while (waiter* const w = waiting_.first()) {
      waiting_.remove(*w);
      woken.push_back(*w);
      if ((w->kind & wish::look) == 0) return;
    }
    --taken_;
  }

  bool wait_for_slot(std::int64_t until, std::uint32_t what) {
    std::unique_lock held(lock_);
    if (taken_ < capacity_) {
      if (what == wish::take) ++taken_;
      return true;
    }
    if (until == group_slot::no_wait) return false;
    waiter self;
    self.kind = what | (until == INT64_MAX ? wish::endless : 0U);
    if (until == INT64_MAX) refuse_deadlock(self);
    waiting_.push_back(self);
    const waited how = wait_in(held, waiting_, self, until, blocking_call::pool_spawn);
    return how == waited::woken || finish_wait(held, how);
  }

  /// If all members wait for one of them to end, nobody ever will.
  void refuse_deadlock(const waiter& self) {
    if (!self.fiber || !contains(*self.fiber)) return;
    std::size_t parked = 1;
    for (const waiter* w = waiting_.first(); w; w = w->next)
      if ((w->kind & wish::endless) != 0 && w->fiber && contains(*w->fiber)) ++parked;
    if (parked < taken_) return;
    throw deadlock_error("weft: this operation would block for ever: every member of a full pool "
                         "of " +
                         std::to_string(capacity_) + " waits to spawn into it, the last being " +
                         describe(*self.fiber) + "; make the pool larger, or use try_spawn");
  }

  bool wait_until_left(std::uint32_t count, std::int64_t until, blocking_call call,
                       bool interruptible) {
    std::unique_lock held(lock_);
    if (size_ <= count) return true;
    waiter self;
    self.kind = count;
    joiners_.push_back(self);
    const waited how = wait_in(held, joiners_, self, until, call, interruptible);
    return how == waited::woken || finish_wait(held, how);
  }

  sync_lock lock_;
  const std::size_t capacity_;
  std::size_t taken_ = 0; // slots: of members, and of those who are about to make one
  std::size_t size_ = 0;
  int killing_ = 0;
  std::uint64_t rounds_ = 0;         // of cancellation
  core::list<group_member> members_; // oldest first
  wait_list waiting_;                // for a slot; only while all are taken
  wait_list joiners_;
  std::atomic<std::size_t> owners_{1}; // the group, and its members
};

namespace {

void on_done(inbox_item& item) noexcept {
  auto& m = static_cast<group_member&>(item);
  m.group->leave(m);
}

} // namespace

// A slot -----------------------------------------------------------------

group_slot::group_slot(group_core& group, std::int64_t until) : group_(group) {
  auto member = std::make_unique<group_member>();
  member->group = &group;
  member->deliver = &on_done;
  if (group.take_slot(until)) member_ = member.release();
}

group_slot::~group_slot() {
  if (!member_) return;
  delete member_;
  group_.give_slot_back();
}

void group_slot::fill(state& s) noexcept {
  group_member& m = *std::exchange(member_, nullptr);
  retain(s);
  m.task = state_ref(&s);
  group_.enter(m);
}

// What the headers call --------------------------------------------------

group_ref::group_ref(std::size_t capacity) : core_(new group_core(capacity)) {}

group_ref::~group_ref() {
  core_->end();
  core_->release();
}

bool group_contains(group_core& group, const state& s) noexcept {
  return group.contains(s);
}
bool group_discard(group_core& group, state& s) noexcept {
  return group.discard(s);
}
std::size_t group_size(group_core& group) noexcept {
  return group.size();
}
std::size_t group_free(group_core& group) noexcept {
  return group.free_slots();
}
std::size_t group_capacity(group_core& group) noexcept {
  return group.capacity();
}
std::vector<any_task> group_members(group_core& group) {
  return group.members();
}
void group_cancel(group_core& group) noexcept {
  group.cancel_all();
}
bool group_join(group_core& group, std::int64_t until) {
  return group.join(until);
}
bool group_kill(group_core& group, std::int64_t until) {
  return group.kill(until);
}
bool group_wait_available(group_core& group, std::int64_t until) {
  return group.wait_available(until);
}

} // namespace weft::detail

namespace weft {

pool::pool(std::size_t size) : group(size) {
  if (size == 0)
    throw std::invalid_argument("weft::pool: a pool of 0 never has room; give it at least 1, or "
                                "use weft::group for no limit");
}

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/deliverable.hpp"
#include "runtime/sched/fetch_ahead.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"
#include "weft/error.hpp"

// The hot path: what runs at every switch, start and end of a fiber.

namespace weft {

using detail::outcome_kind;
using detail::phase;
using detail::ready_item;
using detail::state;
using detail::wake;

namespace {

/// With many fibers each comes back to cold lines: the frames of the one after next are asked for,
/// and the block that is next in memory, which of those that were spawned in a row is that of
/// the one behind it. With 10,000 fibers a switch takes 38 ns instead of 50.
inline void fetch_ahead(const ready_item* after) noexcept {
  if (!after) return;
  if (const char* frames = static_cast<const char*>(after->context)) {
    __builtin_prefetch(frames);
    __builtin_prefetch(frames + 64);
    __builtin_prefetch(frames + 128);
  }
  __builtin_prefetch(reinterpret_cast<const char*>(after) + sizeof(state));
}

} // namespace

/// Takes the next to run out of the queue; the loop, if there is none or if it is to poll.
inline ready_item& hub::pick() noexcept {
  if (!fresh_.empty()) {
    // One that was woken by who parks now need not go through the queue.
    if (switches_left_ > 1 && batches_left_ - 1 > batches_left_at_end_)
      if (ready_item* const only = fresh_.pop_only()) {
        --switches_left_;
        --batches_left_;
        batch_end_ = nullptr;
        fetch_ahead(ready_.front());
        return *only;
      }
    queue_batch();
  }
  if (--switches_left_ > 0) [[likely]]
    if (ready_item* item = take_ready()) [[likely]] {
      fetch_ahead(item->next);
      return *item;
    }
  return loop_;
}

/// Where to jump to run `item`, which becomes what is really jumped to: the loop for a callback,
/// for a fiber with identity, or when there is no memory for a stack.
inline void* hub::context_of(ready_item*& item) noexcept {
  return item->context ? item->context : context_to_start(item);
}

[[gnu::noinline]] void* hub::context_to_start(ready_item*& item) noexcept {
  if (item->where == phase::unstarted && !detail::has_identity(*item)) {
    auto& fiber = static_cast<state&>(*item);
    if (auto* carrier = carriers_[fiber.stack_class]->acquire()) [[likely]] {
      carrier->assigned = &fiber;
      fiber.stack = carrier;
      starting_ = &fiber;
      return carrier->context;
    }
  }
  ready_.push_front(*item);
  item = &loop_;
  return loop_.context;
}

/// The one place from which contexts are switched to. Out of line, so that no address of a
/// thread-local is carried over the switch by the compiler; the call in it is the last thing that
/// it does, so that the switch returns to its callers. Of these there are few: a return is
/// predicted if who is gone back to left by the same one as who left last.
[[gnu::noinline]] void hub::jump(void* to, void** save, [[maybe_unused]] detail::execution& from,
                                 [[maybe_unused]] detail::execution& target) noexcept {
  from.leave_for(target);
  core::switch_to(to, save);
  from.arrive();
}

inline detail::execution& hub::execution_of(ready_item& item) noexcept {
  if (&item == &loop_) return loop_as_;
  if (&item == thread_fiber_ && !thread_fiber_->stack) return thread_as_;
  return static_cast<state&>(item).stack->as;
}

/// Leaves a fiber that handles or throws an exception, or has an identity. Whoever is arrived at
/// finds none, as those that left without one expect.
[[gnu::noinline]] void hub::jump_from_handler(void* to, state& self, ready_item& next) noexcept {
  if (detail::has_identity(self))
    return leave_identity(detail::identity_of(self), to, execution_of(next));
  const detail::exception_state kept = *exceptions_;
  *exceptions_ = {};
  jump(to, &self.context, execution_of(self), execution_of(next));
  *exceptions_ = kept;
}

/// Suspends the running fiber, which is queued or parked, and resumes the next. Inline in the two
/// that do so: each call between a waiting function and the jump saves registers once more.
[[gnu::always_inline]] inline void hub::switch_from(state& self) noexcept {
  ready_item* next = &pick();
  if (next != &self) {
    void* to = context_of(next);
    const int error = *errno_;
    if (exceptions_->caught || exceptions_->uncaught) [[unlikely]]
      jump_from_handler(to, self, *next);
    else
      jump(to, &self.context, execution_of(self), execution_of(*next));
    *errno_ = error;
    running_ = &self;
  }
  self.where = phase::running;
}

void hub::yield() {
  state& self = running_or_throw();
  if (self.has(detail::interrupt_requested)) [[unlikely]]
    throw_pending_interrupt();
  self.where = phase::ready;
  if (!fresh_.empty()) queue_batch(); // even one that goes to the back comes before this fiber
  ready_.push_back(self);
  switch_from(self);
  if (self.has(detail::interrupt_requested)) [[unlikely]]
    throw_pending_interrupt();
}

wake hub::park(core::nanoseconds deadline, detail::blocking_call call, const state* waited_for,
               bool interruptible) {
  state& self = running_or_throw();
  detail::park_record record;
  record.fire = [](hub& h, detail::hub_timer& t) noexcept { h.unpark(*t.fiber, wake::timed_out); };
  record.fiber = &self;
  record.call = call;
  record.waited_for = waited_for;
  record.since = now_;
  // What is pending already could not be thrown at the switch point before.
  record.interruptible = interruptible && !self.has(detail::interrupt_requested);
  record.deadline = deadline;
  if (deadline != core::never) wheel_.insert(record);
  self.parked_at = &record;
  self.where = phase::parked;
  switch_from(self);
  self.parked_at = nullptr;
  if (record.result == wake::interrupted) [[unlikely]]
    park_until_throwable(record);
  return record.result;
}

/// Of one that was interrupted: if the exception may not be thrown there, it waits on.
[[gnu::noinline]] void hub::park_until_throwable(detail::park_record& record) {
  if (detail::may_throw_here()) return;
  state& self = *record.fiber;
  record.interruptible = false;
  if (record.deadline != core::never) wheel_.insert(record);
  self.parked_at = &record;
  self.where = phase::parked;
  switch_from(self);
  self.parked_at = nullptr;
}

/// Enters the loop's context for good or for a while; the loop's side of a switch.
void hub::resume_from_loop(ready_item& item, void* context) noexcept {
  jump(context, &loop_.context, loop_as_, execution_of(item));
  running_ = nullptr;
}

/// Every carrier's context begins here and never ends: one fiber after another.
void hub::run_carrier(core::transfer t) {
  *static_cast<void**>(t.data) = t.from;
  hub& h = *detail::this_hub;
  detail::carrier& c = *h.starting_->stack;
  c.as.arrive();
  while (true) {
    state* self = c.assigned;
    ready_item* next;
    while (true) {
      h.running_ = self;
      self->where = phase::running;
      h.run_fiber(*self);
      next = &h.pick();
      if (next->where != phase::unstarted || next->stack_class != c.stack_class) break;
      detail::fetch_block(detail::in_row_behind(self, next));
      self = static_cast<state*>(next);
      self->stack = &c;
    }
    void* to = h.context_of(next);
    h.carriers_[c.stack_class]->park(c);
    h.jump(to, &c.context, c.as, h.execution_of(*next));
  }
}

void hub::finish(state& self, outcome_kind outcome) noexcept {
  self.where = phase::finished;
  self.stack = nullptr;
  --fibers_;
  if (fibers_ != 0 && state_lock_.try_lock_as_owner()) [[likely]] {
    // Nobody waits for it, and no other thread has a handle: nothing to call but in passing.
    // (The waiters of a homeless one are not this lock's to look at, but the count is never 0.)
    if (self.shared_refs.load(std::memory_order_relaxed) == 0 && !self.waiters) [[likely]] {
      self.finished_as = ++finished_;
      self.outcome.store(outcome, std::memory_order_release);
      const bool last = --self.local_refs == 0;
      state_lock_.unlock_as_owner_quickly();
      if (last) [[unlikely]]
        detail::destroy_at_home(self, *this);
      return;
    }
    state_lock_.unlock_as_owner_quickly();
  }
  finish_slowly(self, outcome);
}

[[gnu::noinline]] void hub::run_fiber(state& self) noexcept {
  auto outcome = outcome_kind::value;
  std::exception_ptr error;
  if (self.has(detail::interrupt_requested)) [[unlikely]] { // asked to end before it began
    error = take_interrupt(self);
    outcome = error ? outcome_kind::error : outcome_kind::cancelled;
  } else {
    try {
      self.type->run(self);
    } catch (const cancelled&) {
      outcome = outcome_kind::cancelled;
    } catch (...) {
      outcome = outcome_kind::error;
      error = std::current_exception();
    }
  }
  detail::drop_callable(self);
  if (self.extras) [[unlikely]]
    detail::end_locals(self);
  if (outcome == outcome_kind::error) [[unlikely]]
    ::new (static_cast<void*>(self.storage)) std::exception_ptr(std::move(error));
  finish(self, outcome);
}

[[gnu::noinline]] void hub::finish_slowly(state& self, outcome_kind outcome) noexcept {
  if (fibers_ == 0 && joining_all_) [[unlikely]]
    unpark(*joining_all_);
  if (!self.home) return finish_homeless(detail::homeless(self), outcome);
  state_lock_.lock_as_owner();
  self.finished_as = ++finished_;
  self.outcome.store(outcome, std::memory_order_release);
  detail::completion* waiters = detail::take_waiters(self);
  const bool shared = self.shared_refs.load(std::memory_order_relaxed) != 0;
  const bool last = !shared && --self.local_refs == 0;
  state_lock_.unlock_as_owner();
  if (waiters) wake_waiters(waiters);
  if (last)
    detail::destroy_at_home(self, *this);
  else if (shared) [[unlikely]]
    detail::release(self);
}

void hub::finish_homeless(detail::homeless_fiber& self, outcome_kind outcome) noexcept {
  self.unlink();
  if (detail::completion* waiters = detail::take_outcome(self, outcome)) wake_waiters(waiters);
  detail::release(self);
}

/// Who joined comes behind the fibers that were spawned together with the one that has ended: they
/// run one after another on one stack, and a loop that joins them all finds them done.
void hub::wake_waiters(detail::completion* waiters) noexcept {
  if (!fresh_.empty()) queue_batch();
  detail::deliver_all(waiters, this);
  if (batch_end_ && !fresh_.empty()) {
    ready_item* const end = fresh_.back();
    ready_.splice_after(*std::exchange(batch_end_, end), fresh_);
  }
}

} // namespace weft

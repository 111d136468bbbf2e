// SPDX-License-Identifier: BSL-1.0
#include "runtime/threads/pool_core.hpp"

#include <algorithm>
#include <stdexcept>

#include "runtime/sched/deadlock.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/process.hpp"
#include "runtime/sched/thread_wait.hpp"
#include "runtime/threads/pool_registry.hpp"
#include "weft/error.hpp"

// What is submitted, and who waits for places. The threads' side is pool_threads.cpp.

namespace weft::detail {
namespace {

// waiter::kind of one in submitters_.
enum place_wait : std::uint32_t {
  plain,
  own_thread, // a thread of this pool, which waits for ever
  refused,    // woken without a place
};

[[noreturn]] void throw_stopped() {
  throw std::logic_error("weft: this thread_pool was shut down and takes no more jobs; submit "
                         "before shutdown, or make another pool");
}

} // namespace

pool_core::pool_core(const thread_pool_options& options)
    : name_(options.name), least_(options.min_threads), most_(options.max_threads),
      capacity_(options.queue_capacity),
      idle_time_(std::max<core::nanoseconds>(options.idle_time.count(), 0)),
      generation_(fork_generation()) {
  if (most_ == 0)
    throw std::invalid_argument(
        "weft: thread_pool with max_threads = 0 could run nothing; allow it at least one");
  if (least_ > most_)
    throw std::invalid_argument(
        "weft: thread_pool with min_threads above max_threads; swap or equal them");
  if (capacity_ == 0)
    throw std::invalid_argument("weft: thread_pool with queue_capacity = 0; give it at least one "
                                "place, or use try_submit and look at idle_threads");
  register_pool(*this);
}

pool_core::~pool_core() {
  unregister_pool(*this);
}

pool_core::counts pool_core::count() const noexcept {
  const std::lock_guard held(lock_);
  return {threads_, idle_count_, queued_};
}

// Submitting -------------------------------------------------------------

bool pool_core::submit(pool_item& item, std::int64_t until, blocking_call call) {
  std::unique_lock held(lock_);
  if (stopped_) throw_stopped();
  if (!idle_.empty()) return give_to_idle(&item);
  if (threads_ < most_ && start_thread(held, item)) return true;
  if (queued_ < capacity_) { // then nobody waits for a place
    enqueue(item);
    return true;
  }
  return wait_for_place(held, item, until, call);
}

bool pool_core::wait_for_place(std::unique_lock<sync_lock>& held, pool_item& item,
                               std::int64_t until, blocking_call call) {
  if (until == 0) return false;
  waiter self;
  self.payload = &item;
  if (is_mine() && !self.home && until == core::never) {
    if (stuck_ + 1 == threads_)
      throw deadlock_error("weft: this operation would block for ever: every thread of the pool "
                           "waits for a place in the pool's own full queue");
    ++stuck_;
    self.kind = own_thread;
  }
  submitters_.push_back(self);
  const waited how = wait_in(held, submitters_, self, until, call);
  if (how != waited::woken) return finish_wait(held, how);
  if (self.kind == refused) throw_stopped();
  return true;
}

void pool_core::enqueue(pool_item& item) noexcept {
  item.queued = true;
  queue_.push_back(item);
  ++queued_;
}

pool_item& pool_core::dequeue(pool_item& item) noexcept {
  item.unlink();
  item.queued = false;
  --queued_;
  return item;
}

void pool_core::begin(pool_item& item) noexcept {
  running_.push_back(item);
}

/// A place is free: queues the item of the oldest who waits for one, who is then to be resumed.
waiter* pool_core::fill_place() noexcept {
  if (submitters_.empty()) return nullptr;
  waiter* const w = submitters_.take_front();
  if (w->kind == own_thread) --stuck_;
  enqueue(*static_cast<pool_item*>(w->payload));
  return w;
}

// Withdrawing ------------------------------------------------------------

bool pool_core::withdraw(pool_item& item) noexcept {
  waiter* next;
  {
    const std::lock_guard held(lock_);
    if (!item.linked() || !item.queued) return false;
    dequeue(item);
    next = fill_place();
  }
  if (next) resume(*next);
  return true;
}

pool_item* pool_core::withdraw_oldest() noexcept {
  pool_item* item;
  waiter* next;
  {
    const std::lock_guard held(lock_);
    if (queue_.empty()) return nullptr;
    item = &dequeue(queue_.front());
    next = fill_place();
  }
  if (next) resume(*next);
  return item;
}

// The end ----------------------------------------------------------------

void pool_core::stop() noexcept {
  waiter* waiting;
  {
    const std::lock_guard held(lock_);
    stopped_ = true;
    stuck_ = 0;
    waiting = submitters_.take_all();
    for (waiter* w = waiting; w; w = w->next)
      w->kind = refused;
    while (!idle_.empty())
      give_to_idle(nullptr);
  }
  resume_all(waiting);
}

bool pool_core::shutdown(std::int64_t until, bool interruptible) {
  if (is_mine())
    throw deadlock_error("weft: this operation would block for ever: a job waits for the end of "
                         "its own thread_pool");
  stop();
  std::unique_lock held(lock_);
  if (threads_ == 0) return true;
  if (until == 0) return false;
  waiter self;
  ending_.push_back(self);
  const waited how =
      wait_in(held, ending_, self, until, blocking_call::executor_shutdown, interruptible);
  return how == waited::woken || finish_wait(held, how);
}

} // namespace weft::detail

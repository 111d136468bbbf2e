// SPDX-License-Identifier: BSL-1.0
#include <pthread.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "runtime/sched/deadlock.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/process.hpp"
#include "runtime/sched/thread_wait.hpp"
#include "runtime/threads/pool_core.hpp"

// The threads of a pool: how they begin, wait, and end.

namespace weft::detail {

thread_local constinit pool_core::worker* pool_core::this_worker = nullptr;

namespace {

/// A thread made while one exists has every signal blocked but those that its own faults raise,
/// which kill the process outright where they are blocked.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT})
      sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;
  ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

} // namespace

bool pool_core::is_mine() const noexcept {
  return this_worker && this_worker->pool == this;
}

/// With `item` as what it does first. False, with the lock held again, if there is no thread to be
/// had, but others work, which will come to the item; throws if there are none.
bool pool_core::start_thread(std::unique_lock<sync_lock>& held, pool_item& item) {
  ++threads_;
  begin(item);
  held.unlock();
  try {
    const signals_blocked during;
    std::thread([self = shared_from_this(), first = &item] { self->work(first); }).detach();
    return true;
  } catch (...) {
    held.lock();
    item.unlink();
    if (threads_ == 1) {
      end_thread(held);
      throw;
    }
    --threads_;
  }
  return !idle_.empty() && give_to_idle(&item);
}

void pool_core::work(pool_item* first) noexcept {
  if (!name_.empty()) pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  worker self;
  self.pool = this;
  {
    const std::lock_guard held(lock_);
    self.generation = generation_;
  }
  this_worker = &self;
  for (pool_item* item = first; item; item = next_item(self))
    run(self, *item);
  this_worker = nullptr;
}

void pool_core::run(worker& self, pool_item& item) noexcept {
  self.doing = &item;
  item.run();
  {
    const std::lock_guard held(lock_);
    self.doing = nullptr;
    if (item.linked()) item.unlink();
  }
  item.finished();
}

/// Null: the thread is to end.
pool_item* pool_core::next_item(worker& self) noexcept {
  std::unique_lock held(lock_);
  if (self.generation != generation_) {
    // The job called fork, and this is the child, whose pool knows nothing of this thread.
    held.unlock();
    if (!other_threads_exist()) std::exit(EXIT_SUCCESS); // as after the last thread
    return nullptr;
  }
  if (!queue_.empty()) {
    pool_item& item = dequeue(queue_.front());
    begin(item);
    waiter* const next = fill_place();
    held.unlock();
    if (next) resume(*next);
    return &item;
  }
  if (!stopped_) return wait_for_item(held, self);
  end_thread(held);
  return nullptr;
}

pool_item* pool_core::wait_for_item(std::unique_lock<sync_lock>& held, worker& self) noexcept {
  self.fired.store(0, std::memory_order_relaxed);
  enter_idle(self);
  while (true) {
    const bool may_end = threads_ > least_;
    held.unlock();
    const bool given =
        wait_on_thread(self.fired, may_end ? core::deadline_after(core::monotonic_now(), idle_time_)
                                           : core::never);
    if (given) break;
    held.lock();
    if (!self.linked()) { // given something at the last moment
      held.unlock();
      wait_on_thread(self.fired, core::never);
      break;
    }
    if (threads_ > least_) {
      leave_idle(self);
      end_thread(held);
      return nullptr;
    }
  }
  if (self.given) return self.given;
  held.lock();
  end_thread(held);
  return nullptr;
}

void pool_core::end_thread(std::unique_lock<sync_lock>& held) noexcept {
  waiter* const waiting = --threads_ == 0 ? ending_.take_all() : nullptr;
  held.unlock();
  resume_all(waiting);
}

void pool_core::enter_idle(worker& w) noexcept {
  idle_.push_front(w);
  ++idle_count_;
  helper_threads.fetch_add(1, std::memory_order_acq_rel);
}

void pool_core::leave_idle(worker& w) noexcept {
  w.unlink();
  --idle_count_;
  helper_threads.fetch_sub(1, std::memory_order_acq_rel);
}

/// Null: tells the thread to end. There is an idle one. Always true.
bool pool_core::give_to_idle(pool_item* item) noexcept {
  worker& w = idle_.front();
  leave_idle(w);
  if (item) begin(*item);
  w.given = item;
  wake_thread(w.fired);
  return true;
}

void end_hub_of_this_thread() noexcept {
  if (hub* h = this_hub) h->end();
}

// Fork -------------------------------------------------------------------

void pool_core::reset_after_fork() noexcept {
  generation_ = fork_generation();
  helper_threads.fetch_sub(static_cast<unsigned>(idle_count_), std::memory_order_acq_rel);
  idle_.reset();
  idle_count_ = threads_ = stuck_ = queued_ = 0;
  // What calls fork itself goes on in the child, too.
  if (is_mine() && this_worker->doing && this_worker->doing->linked()) this_worker->doing->unlink();
  core::list<pool_item> gone;
  gone.append(queue_);
  gone.append(running_);
  lock_.unlock();
  while (!gone.empty())
    gone.pop_front().lost();
}

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/process.hpp"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>
#include <unwind.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "runtime/core/list.hpp"
#include "runtime/sched/generator.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/hub_group.hpp"
#include "runtime/sched/state.hpp"
#include "runtime/sched/timeout.hpp"
#include "weft/detail/forks.hpp"

extern "C" int __cxa_thread_atexit(void (*)(void*), void*, void*) noexcept;
extern "C" void* __dso_handle;

namespace weft {

using detail::outcome_kind;
using detail::phase;
using detail::registry;
using detail::state;

core::list<hub> detail::registry;

namespace {

std::mutex registry_mutex;
std::atomic<std::uint32_t> hubs_made{0};

/// Whether `exit` is among the callers. A returning main calls it too.
bool called_from_exit() noexcept {
  static void* const exit_function = dlsym(RTLD_DEFAULT, "exit");
  bool found = false;
  _Unwind_Backtrace(
      [](_Unwind_Context* context, void* result) {
        const auto start = _Unwind_GetRegionStart(context);
        if (reinterpret_cast<void*>(start) != exit_function) return _URC_NO_REASON;
        *static_cast<bool*>(result) = true;
        return _URC_NORMAL_STOP;
      },
      &found);
  return found;
}

/// A thread's end and the process's both run the destructors of thread_locals, among which this
/// is; only the first ends the hub. It is one of those, and not a pthread key's, because keys'
/// destructors run after all of them, and fibers that clean up may use thread_locals.
void thread_ends(void* argument) {
  *static_cast<bool*>(argument) = false;
  hub* h = detail::this_hub;
  if (!h || h->running() != &h->thread_fiber()) return;
  if (called_from_exit()) return;
  h->end();
}

/// Whether `thread_ends` is to be called; a thread of a pool has one hub after another.
thread_local constinit bool end_is_watched = false;

void before_fork() {
  registry_mutex.lock();
  detail::lock_generator_stacks();
}
void after_fork_in_parent() {
  detail::unlock_generator_stacks();
  registry_mutex.unlock();
}
void after_fork_in_child() {
  detail::forks.fetch_add(1, std::memory_order_relaxed);
  detail::unlock_generator_stacks();
  ::new (static_cast<void*>(&registry_mutex)) std::mutex;
  hub::reset_after_fork();
}
[[maybe_unused]] const int watched =
    pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);

} // namespace

namespace detail {

std::atomic<std::uint32_t> forks{0};

std::uint32_t fork_generation() noexcept {
  return forks.load(std::memory_order_relaxed);
}

std::uint32_t next_hub_number() noexcept {
  return hubs_made.fetch_add(1, std::memory_order_relaxed);
}

void register_hub(hub& h) {
  {
    const std::lock_guard held(registry_mutex);
    registry.push_back(h);
  }
  if (!std::exchange(end_is_watched, true))
    __cxa_thread_atexit(&thread_ends, &end_is_watched, &__dso_handle);
}

void unregister_hub(hub& h) noexcept {
  const std::lock_guard held(registry_mutex);
  h.unlink();
}

kept_hub::kept_hub(hub& h) noexcept : hub_(&h) {
  h.keep();
}
kept_hub::~kept_hub() {
  hub_->drop();
}

std::vector<kept_hub> all_hubs() {
  std::vector<kept_hub> hubs;
  const std::lock_guard held(registry_mutex);
  registry.for_each([&](hub& h) { hubs.emplace_back(h); });
  return hubs;
}

} // namespace detail

void hub::reset_after_fork() noexcept {
  detail::reset_stack_pools_after_fork();
  detail::reset_homeless_after_fork();
  hub* mine = detail::this_hub;
  registry.for_each([&](hub& h) {
    h.lose_other_fibers(&h == mine);
    if (&h != mine) h.unlink();
  });
}

/// Threads and fibers that did not come along: whoever holds a handle finds them cancelled. What
/// is on their stacks is lost, as it is with threads.
void hub::lose_other_fibers(bool mine) noexcept {
  state* survivor = !mine ? nullptr : running_ ? running_ : thread_fiber_;
  state_lock_.reset_after_fork();
  ::new (static_cast<void*>(&end_mutex_)) std::mutex;
  foreign_freed_some_.store(foreign_freed_ != nullptr, std::memory_order_relaxed);
  for (detail::inbox_item* item = inbox_.take(); item; item = item->next_in_inbox)
    detail::lose_if_fiber(*item);
  inbox_.reset_after_fork(mine);
  if (group_) group_->lose_all();
  leave_group();
  posting_.store(0, std::memory_order_relaxed);
  sleeping_.store(false, std::memory_order_relaxed);
  if (mine) thread_id_ = ::gettid();
  ready_.reset();
  fresh_.reset();
  batch_end_ = nullptr;
  timed_calls_.reset();
  now_ = core::monotonic_now();
  if (survivor) detail::suspend_timeouts(*survivor);
  wheel_.reset(now_);
  if (survivor) detail::resume_timeouts(*survivor);
  reactor_->reset_after_fork();
  if (transfers_) transfers_->reset_after_fork();
  interrupt_prepared_ = false;
  joining_all_ = nullptr;
  state* unheld = nullptr;
  const auto lose = [&](state& s) {
    s.waiters = nullptr;
    if (s.where == phase::promise || s.where == phase::finished || &s == survivor) return;
    if (s.where == phase::running && s.stack == nullptr && !s.has(detail::thread_fiber)) return;
    s.where = phase::finished;
    s.clear(detail::has_callable);
    detail::abandon_locals(s);
    s.outcome.store(outcome_kind::cancelled, std::memory_order_relaxed);
    // One that is in a generator leaves that one's stack to whoever has the generator.
    if (auto* const stack = mine ? detail::stack_of_fiber(s) : nullptr) {
      if (detail::has_identity(s))
        delete static_cast<detail::identity*>(stack); // the memory is the C library's
      else
        carriers_[s.stack_class]->discard(*stack);
    }
    s.stack = nullptr;
    if (mine && s.shared_refs.load(std::memory_order_relaxed) == 0 && --s.local_refs == 0) {
      s.next = unheld;
      unheld = &s;
    }
  };
  blocks_.for_each(lose);
  visitors_.for_each([&](detail::homeless_fiber& fiber) {
    lose(fiber);
    if (&fiber != survivor) fiber.unlink();
  });
  if (!mine) {
    ended_ = true;
    blocks_left_ = blocks_.used();
    return;
  }
  while (unheld) {
    state& s = *unheld;
    unheld = static_cast<state*>(s.next);
    detail::destroy(s);
  }
  // The survivor takes the place of the thread's own fiber; the process ends when it does.
  fibers_ = survivor->has(detail::thread_fiber) ? 0 : 1;
  thread_fiber_ = survivor;
  parked_in_calls_ = 0;
  left_ = nullptr;
  if (!detail::has_identity(*survivor)) return;
  // Its thread is the hub's from now on.
  detail::identity_of(*survivor).is_thread = true;
  survivor->stack_class = 0;
  exceptions_ = thread_exceptions_ = detail::thread_exception_state();
  errno_ = &errno;
}

} // namespace weft

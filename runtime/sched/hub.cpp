// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/hub.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "runtime/sched/backend.hpp"
#include "runtime/sched/generator.hpp"
#include "runtime/sched/patch.hpp"
#include "runtime/sched/process.hpp"
#include "runtime/sched/stack_overflow.hpp"
#include "runtime/sched/state.hpp"

// A hub's beginning and end, and its memory.

namespace weft {

using detail::outcome_kind;
using detail::phase;
using detail::state;

thread_local constinit hub* detail::this_hub = nullptr;

namespace {
// The thread's own fiber has no callable and no result.
constexpr detail::state_type thread_fiber_type{[](state&) {}, nullptr, nullptr};
constexpr int rounds_at_end = 16;
} // namespace

hub::hub()
    : exceptions_(detail::thread_exception_state()), errno_(&errno), now_(core::monotonic_now()),
      number_(detail::next_hub_number()), thread_id_(::gettid()),
      default_class_(detail::default_stack_class()), thread_exceptions_(exceptions_), wheel_(now_) {
  reactor_.emplace(&hub::descriptor_ready);
  // Ids of the first hub's fibers are 1, 2, 3, ...; of the others they are large.
  next_id_ = std::uint64_t{number_} << 40;
  carriers(default_class_);
  start_loop();
  thread_as_.adopt_thread();
  thread_fiber_ = &allocate_block(thread_fiber_type);
  thread_fiber_->where = phase::running;
  thread_fiber_->set(detail::thread_fiber);
  if (detail::thread_has_inherited()) thread_fiber_->set(detail::has_inherited);
  running_ = thread_fiber_;
  if (auto* const generator = detail::take_stack_outside_fibers()) {
    thread_fiber_->stack = generator; // the first spawn is made in its body
    thread_as_.adopt_fiber_of(detail::execution_beneath(*generator));
  }
  look_for_patch();
  // Under the patch it is epoll_wait that parks a hub's thread, and transfers are the patch's.
  if (!patch_ && detail::transfers_by_io_uring())
    transfers_.emplace([](core::socket_call& t) noexcept {
      detail::this_hub->unpark(*static_cast<state*>(t.owner));
    });
}

void hub::descriptor_ready(core::io_waiter& w) noexcept {
  hub& h = *detail::this_hub;
  if (!w.to_make || w.came == 0) return h.unpark(*static_cast<state*>(w.owner));
  const core::descriptor* const d = h.reactor_->entry(w.fd);
  w.to_make->ticket = d->changes;
  w.to_make->generation = d->generation;
  h.transfers_->push_ready(*w.to_make);
}

hub& hub::make_for_this_thread() {
  auto* h = new hub;
  detail::this_hub = h;
  detail::watch_for_stack_overflow();
  // A sleep ends when it is due, and not up to 50 us later. Under the patch the clock is watched
  // there, and the call would give the thread a kernel thread of its own.
  if (!detail::patch_table()) prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  detail::register_hub(*h);
  return *h;
}

std::size_t hub::stack_size(const state& fiber) const noexcept {
  const detail::carrier* const stack = detail::stack_of_fiber(fiber);
  return stack ? detail::stack_size_of(*stack) : 0;
}

void hub::cancel_all_and_join(bool interruptible) {
  cancels_all_ = true;
  for_each_fiber([&](state& s) {
    if (&s == thread_fiber_) return;
    if (group_ && !s.home && detail::homeless(s).of_cleanup) return;
    interrupt(s, nullptr);
  });
  join_all(interruptible);
}

void hub::join_all(bool interruptible) {
  while (fibers_ != 0) {
    joining_all_ = running_;
    const auto result = park(core::never, detail::blocking_call::run, nullptr, interruptible);
    joining_all_ = nullptr;
    if (result == detail::wake::interrupted) throw_interrupt();
  }
}

void hub::end() noexcept {
  first_flags_ = detail::cancel_requested;
  // Callbacks that are due, and what those spawn. Not for ever: other threads may go on posting
  // until they are refused.
  for (int rounds = 0; rounds < rounds_at_end; ++rounds) {
    cancel_all_and_join(false);
    if (ready_.empty() && inbox_.empty()) break;
    yield();
  }
  drop_timed_calls();
  close_inbox();
  detail::this_hub = nullptr;
  detail::unregister_hub(*this);
  detail::ignore_stack_overflow();

  if (host_) patch_->drop_host(host_);
  for (auto& pool : carriers_)
    pool.reset();
  loop_as_.unmake(loop_stack_.top, loop_stack_.size);
  loop_stacks_->release(loop_stack_);
  detail::give_back_stack_pool(detail::loop_stack_class, std::move(loop_stacks_));
  transfers_.reset();
  reactor_.reset();

  state& own = *thread_fiber_;
  own.where = phase::finished;
  detail::settle(own, outcome_kind::value);
  {
    const std::lock_guard held(end_mutex_);
    while (auto* freed = foreign_freed_) {
      foreign_freed_ = freed->next;
      blocks_.release(static_cast<state&>(*freed));
    }
    ended_ = true;
    blocks_left_ = blocks_.used();
  }
  detail::release(own); // the last block to go takes the hub along
}

/// Nothing is accepted any more; what came is delivered, and nobody is still inside `post`.
void hub::close_inbox() noexcept {
  for (detail::inbox_item* item = inbox_.close(); item;) {
    detail::inbox_item* next = item->next_in_inbox;
    item->deliver(*item);
    item = next;
  }
  while (!fresh_.empty() || !ready_.empty())
    yield();
  while (posting_.load(std::memory_order_acquire) != 0)
    std::this_thread::yield();
}

void hub::free_block(state& block) noexcept {
  if (detail::this_hub == this) return free_block_at_home(block);
  std::unique_lock held(end_mutex_);
  if (!ended_) {
    block.next = foreign_freed_;
    foreign_freed_ = &block;
    foreign_freed_some_.store(true, std::memory_order_relaxed);
    return;
  }
  --blocks_left_;
  destroy_if_unused(held);
}

void hub::collect_foreign_blocks() noexcept {
  if (!foreign_freed_some_.load(std::memory_order_relaxed)) return;
  detail::ready_item* freed;
  {
    const std::lock_guard held(end_mutex_);
    foreign_freed_some_.store(false, std::memory_order_relaxed);
    freed = std::exchange(foreign_freed_, nullptr);
  }
  while (freed) {
    auto& block = static_cast<state&>(*freed);
    freed = freed->next;
    blocks_.release(block);
  }
}

void hub::keep() noexcept {
  const std::lock_guard held(end_mutex_);
  ++keepers_;
}

void hub::drop() noexcept {
  std::unique_lock held(end_mutex_);
  --keepers_;
  destroy_if_unused(held);
}

void hub::destroy_if_unused(std::unique_lock<std::mutex>& held) noexcept {
  if (!ended_ || blocks_left_ != 0 || keepers_ != 0) return;
  held.unlock();
  delete this;
}

} // namespace weft

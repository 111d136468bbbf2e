// SPDX-License-Identifier: BSL-1.0
#include <exception>

#include "runtime/sched/deadlock.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"

// The hub's own context: polls, runs callbacks, waits when nobody is ready.

namespace weft {

using detail::phase;
using detail::ready_item;
using detail::state;

namespace {
// Switches after which the loop looks at clock, timers and inbox. That costs some 60 ns, so it is
// done more seldom while switches follow each other fast, and at once more often when they do not.
constexpr int switches_between_polls = 64;
constexpr int most_between_polls = 256;
constexpr int fewest_between_polls = 16;
constexpr core::nanoseconds polls_too_close = 5'000;
constexpr core::nanoseconds polls_too_far = 50'000;
// Batches of fresh fibers that overtake those that were ready before for longer than this have
// done so often enough at a smaller number.
constexpr core::nanoseconds longest_overtaking = 1'000'000;
constexpr int batches_left_then = 2048 - 256;
// A program may close descriptors by other means than io::close.
constexpr core::nanoseconds between_audits = 200'000'000;
// A look at the descriptors is a system call: not more often than this while others are ready, so
// that a server gets through a batch of events before it asks for the next. Looking every 50 us
// cost an echo server of 1000 connections a tenth of its processor time.
constexpr core::nanoseconds between_descriptor_polls = 1'000'000;
// Where no eventfd could be had, other threads' messages are looked for this often.
constexpr core::nanoseconds without_interrupt = 5'000'000;
constexpr core::nanoseconds between_deadlock_checks = 1'000'000'000;
// How many fibers that another hub might start as well a busy one takes at a time.
constexpr int shared_between_polls = 4;
} // namespace

void hub::start_loop() {
  loop_stacks_ = detail::take_stack_pool(detail::loop_stack_class);
  loop_stack_ = loop_stacks_->acquire();
  if (!loop_stack_.top) throw std::bad_alloc();
  loop_.context = core::make_context(loop_stack_.top, loop_stack_.size, &hub::run_loop);
  loop_as_.make(loop_stack_.top, loop_stack_.size);
}

void hub::run_loop(core::transfer t) {
  *static_cast<void**>(t.data) = t.from;
  hub& h = *detail::this_hub;
  h.loop_as_.arrive();
  h.running_ = nullptr;
  h.loop();
}

void hub::loop() {
  *exceptions_ = {};
  while (true) {
    turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (host_ && host_->woken) take_woken_fibers();
    if (switches_left_ <= 0 && (group_ || !ready_.empty())) poll_between_fibers();
    if (ready_.empty() && !(group_ && take_shared())) wait_for_events();
    while (ready_item* item = take_ready()) {
      if (item->where == phase::callback) {
        auto& callback = static_cast<detail::callback_item&>(*item);
        callback.run(callback);
        if (--switches_left_ <= 0) break;
        continue;
      }
      if (detail::has_identity(*item)) {
        enter_identity(static_cast<state&>(*item));
        break;
      }
      ready_item* target = item;
      void* context = item->context ? item->context : context_to_start(target);
      if (target == &loop_) { // no stack to be had: put back at the front
        take_ready();
        fail_to_start(static_cast<state&>(*item));
        continue;
      }
      resume_from_loop(*item, context);
      *exceptions_ = {};
      break;
    }
  }
}

/// A fiber that finds no stack ends with std::bad_alloc.
void hub::fail_to_start(state& fiber) noexcept {
  detail::drop_callable(fiber);
  ::new (static_cast<void*>(fiber.storage))
      std::exception_ptr(std::make_exception_ptr(std::bad_alloc()));
  finish(fiber, detail::outcome_kind::error);
}

void hub::poll_between_fibers() noexcept {
  if (transfers_) transfers_->flush();
  drain_inbox();
  const core::nanoseconds before = std::exchange(now_, core::monotonic_now());
  if (now_ - before > polls_too_far)
    switches_between_polls_ = fewest_between_polls;
  else if (now_ - before < polls_too_close && switches_between_polls_ < most_between_polls)
    switches_between_polls_ *= 2;
  switches_left_ = switches_between_polls_;
  if (now_ - last_batch_to_back_ >= longest_overtaking) batches_left_at_end_ = batches_left_then;
  audit_descriptors();
  if ((host_ || reactor_->has_waiters()) &&
      now_ - last_descriptor_poll_ >= between_descriptor_polls) {
    last_descriptor_poll_ = now_;
    if (reactor_->has_waiters()) poll_descriptors(0);
    if (host_) patch_->yield(); // events of fibers in calls are looked for there
  }
  fire_timers();
  trim_carriers();
  // Its own fibers may keep it busy for ever: others are to start all the same.
  for (int i = 0; group_ && i < shared_between_polls && take_shared(); ++i) {
  }
}

/// Nobody is ready: waits until somebody is.
void hub::wait_for_events() noexcept {
  switches_left_ = switches_between_polls_ = switches_between_polls;
  trim_carriers();
  collect_foreign_blocks();
  blocks_.trim();
  while (transfers_ && !transfers_->empty()) {
    transfers_->flush();
    if (!ready_.empty()) return;
  }
  while (true) {
    core::nanoseconds until = wheel_.next_due();
    const bool for_ever = until == core::never && !reactor_->has_waiters() && parked_in_calls_ == 0;
    if (for_ever && place_ == 0) {
      if (!can_be_woken()) {
        report_deadlock();
        if (!ready_.empty()) return;
      }
      // The last other thread may end without having woken anybody.
      until = core::deadline_after(core::monotonic_now(), between_deadlock_checks);
    }
    if (!interrupt_prepared_) {
      interrupt_prepared_ = reactor_->prepare_interrupt() >= 0;
      if (!interrupt_prepared_)
        until = std::min(until, core::deadline_after(core::monotonic_now(), without_interrupt));
    }
    if (reactor_->has_unverified()) {
      if (next_audit_ == 0) next_audit_ = now_ + between_audits;
      until = std::min(until, next_audit_);
    }
    if (host_) host_->polls = 1;
    if (group_) {
      search_and_sleep(until, for_ever);
    } else {
      sleeping_.store(true, std::memory_order_seq_cst);
      if (inbox_.empty()) poll_descriptors(until);
      sleeping_.store(false, std::memory_order_relaxed);
    }
    if (host_) host_->polls = 0;
    now_ = core::monotonic_now();
    last_descriptor_poll_ = now_;
    drain_inbox();
    fire_timers();
    audit_descriptors();
    if (host_ && host_->woken) take_woken_fibers();
    if (!ready_.empty()) return;
  }
}

/// Of what is ready to be received or sent, some is so in one go.
void hub::poll_descriptors(core::nanoseconds until) noexcept {
  reactor_->poll(until);
  if (transfers_) transfers_->flush();
}

void hub::fire_timers() noexcept {
  if (wheel_.empty() || wheel_.next_due() > now_) return;
  core::list<core::timer, core::timer_tag> due;
  wheel_.advance(now_, due);
  while (!due.empty()) {
    auto& timer = static_cast<detail::hub_timer&>(due.pop_front());
    // Of many sleepers each is cold.
    if (!due.empty()) __builtin_prefetch(static_cast<detail::hub_timer&>(due.front()).fiber, 1);
    timer.fire(*this, timer);
  }
}

void hub::audit_descriptors() noexcept {
  if (!reactor_->has_unverified()) return;
  if (next_audit_ == 0) next_audit_ = now_ + between_audits;
  if (now_ < next_audit_) return;
  next_audit_ = 0;
  reactor_->audit();
}

void hub::drain_inbox() noexcept {
  for (detail::inbox_item* item = inbox_.take(); item;) {
    detail::inbox_item* next = item->next_in_inbox; // delivered, it may be gone
    item->deliver(*item);
    item = next;
  }
}

bool hub::post(detail::inbox_item& item) noexcept {
  posting_.fetch_add(1, std::memory_order_acq_rel);
  const auto posted = inbox_.post(item);
  // The first of a batch wakes; the hub announces its sleep before it looks into the inbox.
  if (posted == detail::inbox::posted::first && sleeping_.load(std::memory_order_seq_cst))
    reactor_->interrupt();
  posting_.fetch_sub(1, std::memory_order_release);
  return posted != detail::inbox::posted::refused;
}

void hub::trim_carriers() noexcept {
  for (auto& pool : carriers_)
    if (pool) pool->trim();
}

bool hub::can_be_woken() const noexcept {
  // The inbox last: a thread that went away meanwhile may have left something there.
  return external_work.load(std::memory_order_acquire) != 0 ||
         (group_ ? can_be_woken_by_group() : detail::other_threads_exist()) || !inbox_.empty();
}

} // namespace weft

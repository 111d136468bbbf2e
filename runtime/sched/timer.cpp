// SPDX-License-Identifier: BSL-1.0
#include "weft/timer.hpp"

#include <atomic>
#include <stdexcept>

#include "runtime/sched/callback.hpp"
#include "runtime/sched/hub.hpp"

namespace weft {

namespace detail {

/// In the wheel until it is due, then in the ready queue. Holds itself as long as it is to come.
struct timed_call : hub_timer, callback_item, core::list_hook<> {
  std::shared_ptr<timed_call> self;
  std::unique_ptr<callback_base> user;
  hub* home = nullptr;
  core::nanoseconds period = 0; // 0: once
  std::atomic<bool> active{true};
};

namespace {

void drop(timed_call& call) noexcept {
  call.active.store(false, std::memory_order_relaxed);
  static_cast<core::list_hook<>&>(call).unlink();
  if (static_cast<hub_timer&>(call).linked()) call.home->cancel(call);
  const auto last = std::move(call.self); // may destroy it
}

void call_now(callback_item& item) noexcept {
  auto& call = static_cast<timed_call&>(item);
  if (!call.active.load(std::memory_order_relaxed)) return drop(call);
  if (call.period == 0) call.active.store(false, std::memory_order_relaxed);
  run_callback("a timed call", [&] { call.user->call(); });
  if (!call.active.load(std::memory_order_relaxed)) return drop(call);
  const core::nanoseconds late = core::monotonic_now() - call.deadline;
  call.deadline += call.period * (late > 0 ? late / call.period + 1 : 1);
  call.home->insert(call);
}

} // namespace

std::shared_ptr<timed_call> new_timed_call(std::int64_t when, std::int64_t period,
                                           std::unique_ptr<callback_base> callback) {
  hub& h = hub::here();
  auto call = std::make_shared<timed_call>();
  call->user = std::move(callback);
  call->home = &h;
  call->period = period;
  call->deadline = when;
  call->fire = [](hub& home, hub_timer& t) noexcept {
    home.make_ready(static_cast<timed_call&>(t));
  };
  call->run = &call_now;
  call->self = call;
  h.timed_calls().push_back(*call);
  if (when != core::never) h.insert(*call);
  return call;
}

bool cancel_timed_call(timed_call& call) noexcept {
  if (!call.active.exchange(false, std::memory_order_relaxed)) return false;
  // Elsewhere, or when it is in the ready queue already, it is dropped when its turn comes.
  if (call.home == this_hub && static_cast<hub_timer&>(call).linked()) drop(call);
  return true;
}

bool timed_call_active(const timed_call& call) noexcept {
  return call.active.load(std::memory_order_relaxed);
}

std::int64_t period_of(deadline period) {
  if (period.at(0) <= 0 || period.is_never())
    throw std::invalid_argument("weft::every: the period has to be above zero and below 290 years");
  return period.at(0);
}

} // namespace detail

void hub::drop_timed_calls() noexcept {
  timed_calls_.for_each([](detail::timed_call& call) { detail::drop(call); });
}

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#include "weft/coroutine.hpp"

#include <atomic>
#include <stdexcept>

#include "runtime/sched/callback.hpp"
#include "runtime/sched/fiber_local.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"
#include "weft/spawn.hpp"

namespace weft::detail {

/// A coroutine that waits for one state: first in that one's list of waiters, then, on the hub on
/// which it awaited, as the callable of a fresh fiber, or in the ready queue for the loop.
struct coroutine_waiter : completion, callback_item {
  enum class stage : std::uint8_t { waiting, abandoned, resumed };

  std::coroutine_handle<> coroutine;
  std::atomic<stage> at{stage::waiting};
  bool keeps_home = false;
  std::shared_ptr<const inherited_values> inherited;
};

namespace {

void resume_and_delete(coroutine_waiter* raw) {
  std::unique_ptr<coroutine_waiter> w(raw);
  if (w->keeps_home) w->home->drop();
  if (w->at.exchange(coroutine_waiter::stage::resumed, std::memory_order_acq_rel) ==
      coroutine_waiter::stage::abandoned)
    return;
  const auto coroutine = w->coroutine;
  w.reset();
  coroutine.resume();
}

/// A fiber's callable. One that is cancelled before it runs leaves the coroutine to the loop.
class resumption {
 public:
  explicit resumption(coroutine_waiter& w) noexcept : waiter_(&w) {}
  resumption(resumption&& other) noexcept : waiter_(std::exchange(other.waiter_, nullptr)) {}
  resumption& operator=(resumption&&) = delete;
  ~resumption() {
    if (waiter_) this_hub->make_ready(*waiter_);
  }
  void operator()() { resume_and_delete(std::exchange(waiter_, nullptr)); }

 private:
  coroutine_waiter* waiter_;
};

void resume_on_home(coroutine_waiter& w) noexcept {
  auto inherited = std::move(w.inherited);
  try {
    const auto fiber = spawn(resumption(w));
    set_inherited_of(*fiber.internal_state(), std::move(inherited));
  } catch (...) { // no memory: the callable is destroyed, if it was made, and the loop does it
  }
}

void deliver(inbox_item& item) noexcept {
  auto* w = static_cast<coroutine_waiter*>(&item);
  hub* h = this_hub;
  if (w->home && w->home == h)
    resume_on_home(*w);
  else if (h)
    h->as_callback([&] { run_callback("a coroutine", [&] { resume_and_delete(w); }); });
  else
    run_callback("a coroutine", [&] { resume_and_delete(w); });
}

} // namespace

coroutine_waiter& new_coroutine_waiter(std::coroutine_handle<> coroutine) {
  auto* w = new coroutine_waiter;
  w->coroutine = coroutine;
  w->home = this_hub;
  w->inherited = current_inherited();
  w->deliver = &deliver;
  w->run = [](callback_item& item) noexcept {
    run_callback("a coroutine", [&] { resume_and_delete(static_cast<coroutine_waiter*>(&item)); });
  };
  return *w;
}

bool attach_coroutine(coroutine_waiter& w, state& s) noexcept {
  if (w.home && w.home != s.home) {
    w.home->keep();
    w.keeps_home = true;
  }
  if (attach(s, w)) return true;
  if (w.keeps_home) w.home->drop();
  delete &w;
  return false;
}

void forget_coroutine(coroutine_waiter& w) noexcept {
  using stage = coroutine_waiter::stage;
  if (detach(w)) {
    if (w.keeps_home) w.home->drop();
    delete &w;
    return;
  }
  // On its way: whoever is to resume it deletes it instead.
  w.at.exchange(stage::abandoned, std::memory_order_acq_rel);
}

void check_may_block() {
  if (const hub* h = this_hub) static_cast<void>(h->running_or_throw());
}

// Cancellation of co_tasks -----------------------------------------------------

bool co_cancellation::request() {
  std::function<bool()> pass_on;
  {
    const std::lock_guard held(mutex_);
    if (ended_) return false;
    if (!pass_on_) {
      pending_ = true;
      return true;
    }
    pass_on = pass_on_;
    passed_ = true;
  }
  if (pass_on()) return true; // not under the mutex: the coroutine may go on inside the call
  const std::lock_guard held(mutex_);
  if (ended_) return false;
  passed_ = false;
  pending_ = true;
  return true;
}

void co_cancellation::waits_on(std::function<bool()> pass_on) {
  {
    const std::lock_guard held(mutex_);
    pass_on_ = pass_on;
    passed_ = std::exchange(pending_, false);
    if (!passed_) return;
  }
  if (pass_on()) return; // it came since `take_pending`
  const std::lock_guard held(mutex_);
  passed_ = false;
  pending_ = true;
}

bool co_cancellation::resumed() noexcept {
  const std::lock_guard held(mutex_);
  pass_on_ = nullptr;
  return std::exchange(passed_, false);
}

bool co_cancellation::take_pending() noexcept {
  const std::lock_guard held(mutex_);
  return std::exchange(pending_, false);
}

void co_cancellation::end() noexcept {
  const std::lock_guard held(mutex_);
  ended_ = true;
}

void throw_co_task_cancelled() {
  throw task_cancelled("weft: a coroutine was cancelled");
}

void refuse_empty_co_task() {
  throw std::logic_error("weft: use of an empty co_task; it was moved from");
}

void refuse_started_co_task() {
  throw std::logic_error("weft: a co_task can be awaited only once; spawn it, and await the task");
}

} // namespace weft::detail

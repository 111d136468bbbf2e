// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/fibers.hpp"

#include <utility>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/thread_pointer.hpp"

extern "C" int weft_call_out(int (*function)(void*, weft_park), void* fiber, weft_park how);

namespace weft::patch {
namespace {

constinit object_pool<fiber_host> hosts;
constinit const weft_fiber_hooks* hooks = nullptr;

void leave_hub_to_others(green& g, weft_park how) noexcept {
  route_arrived_signal(*g.on); // the hub may make no call for long
  the_machine().lock.release();
  const int refused = weft_call_out(hooks->park, g.fiber, how);
  enter_weft(g);
  core::list_hook<woken_tag>& hook = g;
  if (hook.linked()) { // the hub had another reason to run it
    hook.unlink();
    --g.host->woken;
  }
  if (g.why != wakeup::parked) return;
  g.why = refused ? wakeup::signal : wakeup::event;
  g.refused = refused;
}

} // namespace

fiber_host* make_host(green& g, const weft_fiber_hooks& wanted) noexcept {
  if (g.host || (hooks && hooks != &wanted)) return nullptr;
  fiber_host* host = hosts.make();
  if (!host) return nullptr;
  hooks = &wanted;
  host->thread = &g;
  g.host = host;
  return host;
}

void drop_host(fiber_host& host) noexcept {
  static_cast<green*>(host.thread)->host = nullptr;
  hosts.destroy(&host);
}

bool take_as_fiber(green& creator, green& made, const clone_args& args) noexcept {
  if (!makes_fiber(creator)) return false;
  fiber_host* host = creator.host;
  made.host = host;
  made.fiber = host->next;
  made.why = wakeup::event;
  host->next = nullptr;
  host->made = &made;
  host->made_with = args;
  ++the_machine().fibers;
  return true;
}

void park_fiber(green& g, bool refusable) noexcept {
  g.why = wakeup::parked;
  leave_hub_to_others(g, refusable ? WEFT_PARK_UNTIL_REFUSED : WEFT_PARK_FIRMLY);
}

void yield_fiber(green& g) noexcept {
  g.why = wakeup::event;
  leave_hub_to_others(g, WEFT_PARK_YIELD);
}

void wake_fiber(green& g) noexcept {
  fiber_host& host = *g.host;
  host.woken_fibers.push_back(g);
  ++host.woken;
  if (!host.sleeps) return;
  host.sleeps = false;
  unpark(*static_cast<green*>(host.thread), wakeup::event);
}

void leave_fiber(green& g) noexcept {
  the_machine().lock.release();
  hooks->ended(g.fiber);
  __builtin_unreachable();
}

void keep_only_fiber(green& g) noexcept {
  the_machine().fibers = 0;
  if (!g.host) return;
  g.fiber = nullptr;
  g.host->thread = &g;
  g.host->polls = 0;
  g.host->woken = 0;
  g.host->woken_fibers.reset();
  g.host->sleeps = false;
}

void enter(green& to) noexcept {
  green& from = *self();
  to.on = from.on;
  // A kernel thread of its own is the whole hub's: it goes along with who runs.
  to.bound = std::exchange(from.bound, nullptr);
  if (to.bound) to.bound->bound = &to;
  to.on->current = &to;
  set_thread_pointer(to.thread_pointer);
}

} // namespace weft::patch

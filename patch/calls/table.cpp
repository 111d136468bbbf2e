// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/table.hpp"

#include <errno.h>

#include "patch/calls/descriptors.hpp"

namespace weft::patch {
namespace {

constexpr int table_size = WEFT_VIRTUAL_SIZE;
constinit call_handler handlers[table_size];

const call_family* const families[] = {
    &time_calls,     &thread_calls, &signal_calls, &memory_calls, &process_calls, &descriptor_calls,
    &transfer_calls, &splice_calls, &socket_calls, &poll_calls,   &select_calls,  &epoll_calls,
};

template <class F>
void for_each_entry(F&& visit) {
  for (const call_family* family : families)
    for (unsigned i = 0; i < family->count; ++i)
      visit(family->entries[i]);
}

} // namespace

void set_virtual_calls(phase now) noexcept {
  // Changes made while calls were not ours were not seen.
  if (now == phase::active) options_changed();
  for_each_entry([&](const call_entry& e) {
    handlers[e.number] = e.handler;
    weft_virtual[e.number] = e.when == virtual_when::always || now == phase::active;
  });
}

bool is_virtual_ever(int number) noexcept {
  bool found = false;
  for_each_entry([&](const call_entry& e) { found = found || e.number == number; });
  return found;
}

namespace {

/// Handles what is pending for g at the end of a call; says what is to become of `result`,
/// as signal(7) lists it.
long settle(green& g, syscall_frame& frame, long result, bool& again) noexcept {
  route_arrived_signal(*g.on);
  delivery done;
  if (signal_is_deliverable(g)) done = deliver_signals(g, frame);
  if (g.restore_blocked) {
    g.restore_blocked = false;
    set_blocked(g, g.saved_blocked);
  }
  if (result == restart_always) {
    again = true;
  } else if (result == restart_if_allowed) {
    if (done.handled && !done.may_restart) return -EINTR;
    again = true;
  } else if (result == restart_unless_handled) {
    if (done.handled) return -EINTR;
    again = true;
  }
  return result;
}

} // namespace
} // namespace weft::patch

extern "C" weft::patch::dispatch_result weft_dispatch(weft::patch::syscall_frame* frame) {
  using namespace weft::patch;
  green& g = *self();
  const auto number = frame->rax;
  g.in_kernel = true;
  g.call_restarted = false;
  const call_handler handler = handlers[number];
  for (;;) {
    g.call = frame; // again after a signal handler, whose calls were others
    long result = handler(g, *frame);
    bool again = false;
    // A thread may come back on another worker: nothing about it is kept from before.
    if (g.on->signal_arrived || g.restore_blocked || signal_is_deliverable(g) ||
        (result <= restart_if_allowed && result >= restart_unless_handled))
      result = settle(g, *frame, result, again);
    if (again) {
      g.call_restarted = true;
      continue;
    }
    const bool answered = result != pass_to_kernel && result != spawn_in_kernel;
    if (answered) frame->rax = static_cast<std::uint64_t>(result);
    leave_weft(g);
    // What came at the last moment: the program's code might make no call for long.
    while (result != spawn_in_kernel && signal_is_deliverable(g)) {
      g.in_kernel = true;
      deliver_signals(g, *frame);
      leave_weft(g);
    }
    if (answered) return dispatch_result::done;
    return result == pass_to_kernel ? dispatch_result::native : dispatch_result::spawn;
  }
}

// SPDX-License-Identifier: BSL-1.0
#include "patch/observe/dump.hpp"

#include <poll.h>
#include <sys/syscall.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/observe/stack_report.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr int standard_error = 2;
constexpr int most_frames = 64;

/// Whether somebody still reads: the threads that would may be those that are stopped meanwhile.
bool is_read() noexcept {
  constexpr int patience = 1000; // milliseconds
  pollfd out{standard_error, POLLOUT, 0};
  return raw_syscall(SYS_poll, &out, 1, patience) != 0;
}

enum class standing { running, native, parked, fresh, ready };

standing standing_of(const green& g, const ucontext_t* interrupted) noexcept {
  if (&g == self()) {
    // A signal finds a call of the kernel's in weft's code, which makes it.
    const bool in_call = g.call && (!interrupted || is_wefts(registers_of(*interrupted).pc()));
    return in_call ? standing::native : standing::running;
  }
  if (g.why == wakeup::parked) return standing::parked;
  const worker_state at = g.on->state.load(std::memory_order_acquire);
  if (g.on->current == &g && at != worker_state::running) return standing::native;
  return g.started ? standing::ready : standing::fresh;
}

void tell_span(line_printer& out, core::nanoseconds span) noexcept {
  const std::int64_t milliseconds = span / 1'000'000;
  const std::int64_t rest = milliseconds % 1000;
  out << " for " << milliseconds / 1000 << "." << (rest < 100 ? "0" : "") << (rest < 10 ? "0" : "")
      << rest << " s";
}

void tell_standing(line_printer& out, const green& g, standing s) noexcept {
  switch (s) {
  case standing::running:
    out << " runs";
    break;
  case standing::native:
    out << " is in ";
    if (g.call) name_call(out, *g.call);
    break;
  case standing::parked:
    out << " waits (" << name_of(g.reason) << ") in ";
    if (g.call) name_call(out, *g.call);
    if (g.since != 0) tell_span(out, core::monotonic_now() - g.since);
    break;
  case standing::fresh:
    out << " has not begun";
    break;
  case standing::ready:
    out << " is ready to run";
    break;
  }
}

void report(const green& g, standing s, const ucontext_t* interrupted) noexcept {
  {
    line_printer out{standard_error};
    out << "weft: ";
    name_thread(out, g);
    tell_standing(out, g, s);
  }
  switch (s) {
  case standing::running:
    if (interrupted) return report_stack(standard_error, registers_of(*interrupted), most_frames);
    if (g.call) report_stack(standard_error, registers_of(*g.call), most_frames); // just leaving it
    return;
  case standing::native:
  case standing::parked:
    if (g.call) report_stack(standard_error, registers_of(*g.call), most_frames);
    return;
  case standing::fresh:
    return report_stack(standard_error, registers_of(*g.first_frame), most_frames);
  case standing::ready:
    return report_stack(standard_error, registers_of(g.suspended), most_frames);
  }
}

} // namespace

namespace {

/// g runs on another worker, whose registers nobody else knows: it shows itself.
bool has_to_show_itself(green& g) noexcept {
  if (&g == self() || g.why == wakeup::parked || !g.on || g.on->current != &g) return false;
  if (g.on == self()->on || g.on->state.load() != worker_state::running) return false;
  g.shows_itself = g.on->attention = true;
  send_errand(*g.on, errand::attend);
  return true;
}

} // namespace

void show_thread(green& g, const ucontext_t* interrupted) noexcept {
  g.shows_itself = false;
  report(g, &g == self() && !interrupted ? standing::running : standing_of(g, interrupted),
         interrupted);
}

void dump_threads(const ucontext_t* interrupted) noexcept {
  machine& m = the_machine();
  line_printer{standard_error} << "weft: " << m.count << " green thread"
                               << (m.count == 1 ? "" : "s") << " in process "
                               << static_cast<int>(raw_syscall(SYS_getpid));
  m.all.for_each([&](green& g) {
    if (!g.exited && is_read() && !has_to_show_itself(g))
      report(g, standing_of(g, interrupted), interrupted);
  });
}

} // namespace weft::patch

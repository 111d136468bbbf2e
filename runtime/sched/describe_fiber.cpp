// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/describe_fiber.hpp"

#include <algorithm>
#include <cstdio>

#include "runtime/sched/blocking_call.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/stack_trace.hpp"

namespace weft::detail {
namespace {

std::string in_seconds(core::nanoseconds span) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", static_cast<double>(span > 0 ? span : 0) / 1e9);
  return text;
}

std::string describe_target(const state& target) {
  // Another hub's fiber may get or change its name at any time; its number stays.
  if (!target.type->run || (this_hub && runner_of(target) == this_hub)) return describe(target);
  return "fiber-" + std::to_string(target.id) + " of another thread";
}

std::string describe_park(const park_record& at) {
  const core::nanoseconds now = core::monotonic_now();
  std::string text = std::string("parked in ") + name_of(at.call);
  if (at.waited_for) text += " of " + describe_target(*at.waited_for);
  text += " for " + in_seconds(now - at.since);
  if (at.deadline != core::never)
    text += ", for another " + in_seconds(at.deadline - now) + " at most";
  return text;
}

} // namespace

std::string describe_state(hub& h, const state& fiber) {
  std::string text;
  switch (fiber.where) {
  case phase::later:
    text = "to be started later";
    break;
  case phase::unstarted:
    text = "not started yet";
    break;
  case phase::ready:
    text = "ready";
    break;
  case phase::running:
    text = &fiber == h.running() ? "running" : "between two fibers";
    break;
  case phase::parked:
    text = describe_park(*fiber.parked_at);
    break;
  default:
    text = "at its end";
  }
  if (fiber.has(interrupt_requested)) text += ", an exception to be thrown in it";
  return text;
}

std::string describe_fiber(hub& h, const state& fiber, std::size_t frames) {
  std::string text = "fiber " + name_of(fiber) + " (" + std::to_string(fiber.id) + "): ";
  text += describe_state(h, fiber);
  if (!fiber.has(thread_fiber)) text += ", spawned by " + std::to_string(fiber.spawner);
  text += '\n';
  if (frames != 0) text += describe(trace_of(fiber), frames, "    at ");
  return text;
}

std::vector<const state*> fibers_of(hub& h, bool (*wanted)(const state&)) {
  std::vector<const state*> fibers;
  h.for_each_fiber([&](const state& s) {
    if (wanted(s)) fibers.push_back(&s);
  });
  std::sort(fibers.begin(), fibers.end(),
            [](const state* a, const state* b) { return a->id < b->id; });
  return fibers;
}

} // namespace weft::detail

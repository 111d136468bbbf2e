// SPDX-License-Identifier: BSL-1.0
#include "weft/dump.hpp"

#include <ostream>

#include "runtime/observe/ask_hubs.hpp"
#include "runtime/sched/describe_fiber.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"

namespace weft {

using detail::state;

namespace {

std::string describe_hub(hub& h, const dump_options& options) {
  const auto fibers = detail::fibers_of(h, [](const state&) { return true; });
  std::string text =
      std::to_string(fibers.size()) + (fibers.size() == 1 ? " fiber\n" : " fibers\n");
  for (const state* s : fibers)
    text += "  " + detail::describe_fiber(h, *s, options.frames);
  return text;
}

} // namespace

void dump(std::ostream& out, const dump_options& options) {
  const auto hubs = detail::all_hubs();
  std::vector<std::string> texts(hubs.size());
  const auto answered = detail::ask_hubs(
      hubs, options.patience, [&](hub& h, std::size_t i) { texts[i] = describe_hub(h, options); });
  out << "weft: " << hubs.size() << (hubs.size() == 1 ? " hub\n" : " hubs\n");
  for (std::size_t i = 0; i < hubs.size(); ++i) {
    out << "hub " << hubs[i]->number() << ", thread " << hubs[i]->thread_id();
    if (&*hubs[i] == detail::this_hub) out << " (this one)";
    if (answered[i])
      out << ": " << texts[i];
    else
      out << ": busy, did not answer within " << options.patience.count() << " ms\n";
  }
  if (!detail::this_hub) out << "this thread has no hub\n";
}

std::string describe(const any_task& task, const dump_options& options) {
  const state* s = task.internal_state();
  if (!s) detail::throw_no_state("describe");
  if (detail::this_hub && s->type->run && detail::runner_of(*s) == detail::this_hub && !s->done())
    return detail::describe_fiber(*detail::this_hub, *s, options.frames);
  const char* const done = s->done() ? ": at its end\n" : ": not at its end\n";
  if (!s->type->run) return std::string("future") + done;
  return "fiber-" + std::to_string(s->id) + done;
}

} // namespace weft

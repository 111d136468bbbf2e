// SPDX-License-Identifier: BSL-1.0
#include <map>

#include "runtime/observe/ask_hubs.hpp"
#include "runtime/sched/blocking_call.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/dump.hpp"

namespace weft {

using detail::state;

namespace {

/// That one fiber waits for another without a limit.
struct edge {
  any_task fiber;
  std::string name;
  const char* call = nullptr;
  std::uint64_t waits_for = 0;
  const detail::park_record* at = nullptr; // to compare, not to look at
  core::nanoseconds since = 0;
};
using edges = std::map<std::uint64_t, edge>; // by the waiting fiber's number

void add_edges(hub& h, edges& found) {
  h.for_each_fiber([&](state& s) {
    if (s.where != detail::phase::parked) return;
    const detail::park_record& at = *s.parked_at;
    if (!at.waited_for || !at.waited_for->type->run || at.deadline != core::never) return;
    detail::retain(s);
    found.emplace(s.id, edge{.fiber = any_task(detail::state_ref(&s)),
                             .name = detail::name_of(s),
                             .call = detail::name_of(at.call),
                             .waits_for = at.waited_for->id,
                             .at = &at,
                             .since = at.since});
  });
}

edges collect(const std::vector<detail::kept_hub>& hubs, std::chrono::milliseconds patience) {
  std::vector<edges> of(hubs.size());
  const auto answered =
      detail::ask_hubs(hubs, patience, [&](hub& h, std::size_t i) { add_edges(h, of[i]); });
  edges all;
  for (std::size_t i = 0; i < hubs.size(); ++i)
    if (answered[i]) all.merge(of[i]);
  return all;
}

/// Those of `first` that are still there: all of these existed at once, between the two looks.
edges lasting(edges first, const edges& second) {
  std::erase_if(first, [&](const auto& entry) {
    const auto same = second.find(entry.first);
    return same == second.end() || same->second.at != entry.second.at ||
           same->second.since != entry.second.since ||
           same->second.waits_for != entry.second.waits_for;
  });
  return first;
}

deadlock_cycle cycle_through(const edges& all, std::uint64_t start) {
  deadlock_cycle cycle;
  std::uint64_t id = start;
  do {
    const edge& e = all.at(id);
    cycle.fibers.push_back(e.fiber);
    if (cycle.text.empty()) cycle.text = "fiber " + e.name;
    id = e.waits_for;
    cycle.text += std::string(" waits in ") + e.call + " for fiber " + all.at(id).name +
                  (id == start ? "" : ", which");
  } while (id != start);
  return cycle;
}

} // namespace

std::vector<deadlock_cycle> find_deadlocks(std::chrono::milliseconds patience) {
  const auto hubs = detail::all_hubs();
  edges all = collect(hubs, patience);
  if (hubs.size() > 1) all = lasting(std::move(all), collect(hubs, patience));
  std::vector<deadlock_cycle> cycles;
  std::map<std::uint64_t, std::uint64_t> seen; // a fiber, and from which start it was reached
  for (const auto& entry : all) {
    const std::uint64_t start = entry.first;
    // Each waits for one at most: going on, one comes to an end, to a known part, or round.
    for (auto at = all.find(start); at != all.end(); at = all.find(at->second.waits_for)) {
      const auto [known, fresh] = seen.emplace(at->first, start);
      if (fresh) continue;
      if (known->second == start) cycles.push_back(cycle_through(all, at->first));
      break;
    }
  }
  return cycles;
}

} // namespace weft

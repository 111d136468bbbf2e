// SPDX-License-Identifier: BSL-1.0
#include "weft/current.hpp"

#include <algorithm>

#include "runtime/sched/hub.hpp"

namespace weft {

any_task current() {
  const hub* h = detail::this_hub;
  if (!h || !h->running()) return {};
  detail::retain(*h->running());
  return any_task(detail::state_ref(h->running()));
}

std::vector<any_task> all_tasks() {
  std::vector<any_task> tasks;
  if (hub* h = detail::this_hub)
    h->for_each_fiber([&](detail::state& s) {
      if (s.has(detail::thread_fiber)) return;
      detail::retain(s);
      tasks.emplace_back(detail::state_ref(&s));
    });
  std::sort(tasks.begin(), tasks.end(),
            [](const any_task& a, const any_task& b) { return a.id() < b.id(); });
  return tasks;
}

} // namespace weft

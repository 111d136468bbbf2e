// SPDX-License-Identifier: BSL-1.0
#include "weft/joinall.hpp"

#include <algorithm>

#include "runtime/future/arrivals.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/error.hpp"

namespace weft::detail {

std::vector<std::size_t> join_many(const std::vector<state*>& states, const join_options& options) {
  const auto all = arrivals::make(states);
  const std::size_t count = std::min(options.count, states.size());
  all->wait(options.timeout.absolute(), {count, options.raise_error, blocking_call::joinall});
  auto done = all->arrived();
  done.resize(std::min(done.size(), count)); // others may be done as well by now
  if (options.raise_error)
    for (const std::size_t place : done)
      if (states[place]->outcome.load(std::memory_order_acquire) == outcome_kind::error)
        throw_outcome(*states[place]);
  return done;
}

void kill_many(const std::vector<state*>& states, const kill_options& options) {
  state* const self = this_hub ? this_hub->running() : nullptr;
  std::vector<state*> others;
  for (state* s : states) {
    if (s == self) continue;
    cancel_state(*s, options.exception);
    others.push_back(s);
  }
  if (options.block) {
    const auto all = arrivals::make(others);
    if (!all->wait(options.timeout.absolute(), {others.size(), false, blocking_call::killall})) {
      std::string names;
      for (const state* s : others)
        if (!s->done()) names += (names.empty() ? "" : ", ") + name_of(*s);
      if (!names.empty()) throw timeout_error("weft: killall: still alive: " + names);
    }
  }
  if (others.size() == states.size()) return;
  cancel_state(*self, options.exception);
  this_hub->switch_point();
}

} // namespace weft::detail

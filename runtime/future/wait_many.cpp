// SPDX-License-Identifier: BSL-1.0
#include "runtime/future/arrivals.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/detail/completion_range.hpp"
#include "weft/error.hpp"
#include "weft/wait.hpp"

namespace weft::detail {

std::vector<std::size_t> wait_for_many(const std::vector<state*>& states,
                                       const wait_options& options) {
  const auto all = arrivals::make(states);
  all->wait(options.timeout.absolute(),
            {.count = options.when == first_completed ? 1 : states.size(),
             .or_a_failure = options.when == first_exception,
             .call = blocking_call::wait_for_many});
  return all->arrived();
}

void close_arrivals::operator()(arrivals* a) const noexcept {
  a->leave();
}

open_arrivals watch_many(std::vector<state*> states) {
  return open_arrivals(arrivals::make(std::move(states)).release());
}

std::ptrdiff_t next_arrival(arrivals& from, std::size_t index, std::int64_t until,
                            blocking_call call) {
  if (!from.wait(until, {.count = index + 1, .or_a_failure = false, .call = call})) return -1;
  return static_cast<std::ptrdiff_t>(from.arrived_at(index));
}

void throw_not_completed(std::size_t missing) {
  throw timeout_error("weft: as_completed: the time is over and " + std::to_string(missing) +
                      " are not done");
}

} // namespace weft::detail

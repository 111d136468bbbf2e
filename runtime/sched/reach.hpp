// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/sched/homeless.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"

namespace weft::detail {

enum class reached {
  here,    // the fiber is this thread's: the message was not needed
  posted,  // its hub has the message
  untaken, // no hub has it yet; what had to be done was done
  ended,   // it is done, and so may be its hub: the message was not needed
};

/// Sends `message` to the hub that runs `fiber`; `if_untaken()` is called if there is none yet, and
/// before there can be one. Any thread.
template <class Untaken>
reached reach(state& fiber, inbox_item& message, Untaken&& if_untaken) {
  if (hub* const home = fiber.home) {
    if (home == this_hub) return reached::here;
    return home->post(message) ? reached::posted : reached::ended;
  }
  const state_guard held(fiber); // as long as it is not done, its hub lives
  if (fiber.done()) return reached::ended;
  hub* const runner = runner_of(fiber);
  if (!runner) {
    if_untaken();
    return reached::untaken;
  }
  if (runner == this_hub) return reached::here;
  return runner->post(message) ? reached::posted : reached::ended;
}

} // namespace weft::detail

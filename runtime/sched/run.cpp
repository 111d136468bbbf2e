// SPDX-License-Identifier: BSL-1.0
#include "weft/run.hpp"

#include <stdexcept>

#include "runtime/sched/hub.hpp"

namespace weft::detail {

void check_run() {
  const hub* h = this_hub;
  if (h && h->running() != &h->thread_fiber())
    throw std::logic_error(
        "weft::run is for the thread's own fiber; inside a fiber, spawn and join instead");
}

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#include "weft/external_work.hpp"

#include "runtime/sched/hub.hpp"

namespace weft {

external_work::external_work() : hub_(&hub::here()) {
  hub_->keep();
  hub_->external_work.fetch_add(1, std::memory_order_relaxed);
}

// A hub that sleeps looks for a deadlock once a second, so it need not be told.
external_work::~external_work() {
  if (!hub_) return;
  hub_->external_work.fetch_sub(1, std::memory_order_relaxed);
  hub_->drop();
}

} // namespace weft

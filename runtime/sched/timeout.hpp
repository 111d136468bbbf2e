// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/sched/hub.hpp"
#include "weft/timeout_scope.hpp"

namespace weft::detail {

/// What a timeout_scope holds: a timer, and its place among the fiber's open scopes.
struct timeout_record : hub_timer {
  timeout_record* outer = nullptr;
  timeout_scope* scope = nullptr;
  hub* home = nullptr;  // null: closed
  bool pending = false; // over, and not thrown yet
  bool expired = false;
};

/// Takes what is pending and first to be thrown, and tells whose it is; null: nothing is.
timeout_scope* take_expired(state& fiber) noexcept;

/// In a forked child: the fiber's scopes leave the wheel (before it is reset), and come back.
void suspend_timeouts(state& fiber) noexcept;
void resume_timeouts(state& fiber) noexcept;

} // namespace weft::detail

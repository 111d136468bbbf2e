// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include "runtime/sched/state.hpp"
#include "weft/future.hpp"

/// How many wait for it or have a callback on it. For futures of this thread.
inline std::size_t waiters_of(const weft::future_base& f) {
  const weft::detail::state& s = *f.internal_state();
  std::size_t n = 0;
  if (const auto* first = s.waiters) {
    const auto* at = first;
    do {
      ++n;
      at = at->next;
    } while (at != first);
  }
  return n;
}

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "tests/stress/tokens/board.hpp"
#include "tests/stress/tokens/plan.hpp"

#include <sys/types.h>
#include <vector>

namespace tokens {

/// Waits until the performer ends, and passes its status on. Ends it if for `patience` seconds a
/// token has not moved, or no thread was made or joined, and tells where tokens are.
int watch(pid_t performer, const board& shown, const std::vector<plan>& stages, double patience);

} // namespace tokens

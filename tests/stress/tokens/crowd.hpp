// SPDX-License-Identifier: BSL-1.0
#pragma once

// The threads of a plan, at work.

#include "tests/stress/tokens/board.hpp"
#include "tests/stress/tokens/plan.hpp"

#include <string>
#include <vector>

namespace tokens {

/// What one token meets, to see that it is noticed.
enum class fault : std::uint8_t { none, drop, copy, stray, linger };

struct outcome {
  double seconds = 0;                // from the first token handed out to the last that came home
  std::vector<std::uint64_t> hops;   // of each thread
  std::vector<std::string> mistakes; // empty if all is well
};

/// Makes all threads, hands the tokens out, calls them home after `seconds` if the plan does not
/// say when, joins all threads and goes every token's way again.
outcome play(board& shown, const plan& all, double seconds, fault wanted);

} // namespace tokens

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "tests/stress/tokens/board.hpp"
#include "tests/stress/tokens/plan.hpp"

#include <string>
#include <vector>

namespace tokens {

/// Goes the way of every token again, once all are home: where each should have ended, with which
/// checksum, and how many hops that makes for each thread, which itself has counted `hops`.
void go_again(board& shown, const plan& all, const std::vector<std::uint64_t>& hops,
              std::vector<std::string>& mistakes);

} // namespace tokens

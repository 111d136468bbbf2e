// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <vector>

#include "weft/detail/state.hpp"

namespace weft {
class hub;
}

/// Fibers in words, for reports. Of the calling thread's hub.
namespace weft::detail {

/// "parked in join of fiber worker for 1.204 s".
std::string describe_state(hub& h, const state& fiber);
/// Its name, its state, and under it up to `frames` lines of its stack.
std::string describe_fiber(hub& h, const state& fiber, std::size_t frames);

/// All fibers of `h` for which `wanted` is true, by age.
std::vector<const state*> fibers_of(hub& h, bool (*wanted)(const state&));

} // namespace weft::detail

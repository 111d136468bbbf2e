// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// How many forks lie between this process and the first that had the library. What was on other
/// stacks before one is not there any more.
extern std::atomic<std::uint32_t> forks;

} // namespace detail
} // namespace weft

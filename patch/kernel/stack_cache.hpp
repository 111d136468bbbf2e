// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string_view>

namespace weft::patch {

/// What the launcher adds to GLIBC_TUNABLES, and the patch takes out again before the program
/// looks. glibc keeps 40 MiB of the stacks of ended threads, five of the usual size; with a GiB a
/// thread's creation and end cost a sixth less.
inline constexpr std::string_view stack_cache_tunable = "glibc.pthread.stack_cache_size=1073741824";

} // namespace weft::patch

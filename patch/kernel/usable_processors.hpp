// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace weft::patch {

/// On how many processors at a time this process may run: those of the calling kernel thread's
/// affinity mask, but not more than the quota of its control group and those above it allows. At
/// least 1. Reads some small files.
[[nodiscard]] unsigned usable_processors() noexcept;

} // namespace weft::patch

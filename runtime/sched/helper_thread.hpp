// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>

namespace weft::detail {

/// Runs `f`, which does not throw, on a detached thread of weft's own: one that takes no signals,
/// and that counts among `helper_threads`, since it wakes nobody of its own accord. Gone in a
/// forked child. Throws std::system_error.
void start_helper_thread(std::function<void()> f);

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>

namespace weft::detail {

/// Threads that weft itself made and that wake nobody of their own accord, as those of a pool
/// while they have nothing to do.
extern std::atomic<unsigned> helper_threads;

/// Whether the process has threads that might wake a fiber, apart from the caller's and `known`
/// ones. One system call.
bool other_threads_exist(unsigned known = 0) noexcept;

} // namespace weft::detail

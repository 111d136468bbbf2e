// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/core/patch_table.h"

namespace weft::detail {

/// The patch's table, if the patch is at work and the calling thread is one of its threads. Null
/// otherwise, and of one that is older than fibers with identity.
const weft_patch_table* patch_table() noexcept;

/// If the patch is loaded and not at work: why.
const char* why_not_patched() noexcept;

/// Where the patch is loaded; null if it is not.
const void* patch_library() noexcept;

} // namespace weft::detail

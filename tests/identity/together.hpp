// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <unistd.h>

/// For tests of fibers that block in the C library.
namespace identity {

/// Blocks for a moment in a system call, so that others run.
inline void rest() {
  ::usleep(1000);
}

} // namespace identity

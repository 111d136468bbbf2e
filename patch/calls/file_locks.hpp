// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/green.hpp"

namespace weft::patch {

/// fcntl's F_SETLKW or F_OFD_SETLKW by g, the caller.
long wait_for_record_lock(green& g, const syscall_frame& f) noexcept;

} // namespace weft::patch

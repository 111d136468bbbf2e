// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/green.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/reactor.hpp"

namespace weft::patch {

enum class io_wait {
  ready,         // try again
  timeout,
  signal,
  closed,        // the descriptor went away meanwhile
  not_waitable,  // a regular file, or not open: the call itself will tell
};

/// Parks g, the caller, until one of `wanted` may hold for `fd`.
io_wait wait_for_io(green& g, int fd, core::io_events wanted, core::nanoseconds deadline,
                    park_reason reason) noexcept;

/// The same with the events that came, for one who wants to know which.
io_wait wait_for_io(green& g, int fd, core::io_events wanted, core::nanoseconds deadline,
                    park_reason reason, core::io_events& came) noexcept;

}  // namespace weft::patch

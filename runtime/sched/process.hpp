// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft {
class hub;
}

/// Hubs of the process: their numbers, the end of their threads, fork.
namespace weft::detail {

std::uint32_t next_hub_number() noexcept;
/// Lists the calling thread's hub, and sees to it that it ends when the thread does.
void register_hub(hub& h);
void unregister_hub(hub& h) noexcept;

/// How many forks lie between this process and the first that had the library.
std::uint32_t fork_generation() noexcept;

} // namespace weft::detail

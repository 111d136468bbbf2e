// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/core/list.hpp"

namespace weft {
class hub;
}

/// Hubs of the process: their numbers, the end of their threads, fork.
namespace weft::detail {

std::uint32_t next_hub_number() noexcept;
/// All of them; under a mutex of process.cpp's, or in a debugger.
extern core::list<hub> registry;
/// Lists the calling thread's hub, and sees to it that it ends when the thread does.
void register_hub(hub& h);
void unregister_hub(hub& h) noexcept;

/// Keeps a hub's object, not its thread.
class kept_hub {
 public:
  explicit kept_hub(hub& h) noexcept;
  kept_hub(const kept_hub& other) noexcept : kept_hub(*other.hub_) {}
  kept_hub& operator=(const kept_hub&) = delete;
  ~kept_hub();
  hub* operator->() const noexcept { return hub_; }
  hub& operator*() const noexcept { return *hub_; }

 private:
  hub* hub_;
};
/// Those of the process whose threads have not ended, oldest first. Any thread.
std::vector<kept_hub> all_hubs();

/// How many forks lie between this process and the first that had the library.
std::uint32_t fork_generation() noexcept;

} // namespace weft::detail

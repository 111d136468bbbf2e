// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

#include <weft/detail/state.hpp>

namespace [[gnu::visibility("default")]] weft {

/// While one exists, waiting for ever on this thread's hub is no deadlock: something that weft
/// cannot see (a signal handler, a device, another process) will wake a fiber. Made on the hub's
/// thread (which gets a hub if it has none); may be moved to and destroyed on any thread.
class [[nodiscard]] external_work {
 public:
  external_work();
  external_work(external_work&& other) noexcept : hub_(std::exchange(other.hub_, nullptr)) {}
  external_work& operator=(external_work&& other) noexcept {
    std::swap(hub_, other.hub_);
    return *this;
  }
  ~external_work();

 private:
  hub* hub_;
};

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "patch/sites/object.hpp"
#include "patch/sites/plan.hpp"

namespace weft::patch {

/// The slots of one object's sites, within reach of a 32-bit displacement from all of it. Lives
/// as long as the process: threads may be inside a slot at any time. A slot has no unwind
/// information, which only objects have: a handler that interrupts one of its dozen instructions
/// (not the stub, nor the system call, which is made there) is unwound no further.
class trampoline_area {
 public:
  /// Maps room for `slots` of them near `object`, writable. False: no room in reach.
  [[nodiscard]] bool reserve(const object_view& object, std::size_t slots) noexcept;

  /// Writes the next slot; returns the address for the site to jump to, null if the moved
  /// instructions do not fit or cannot reach what they refer to.
  [[nodiscard]] const std::uint8_t* emit(const site_plan& plan) noexcept;

  /// Makes what was written executable and no longer writable, and gives back the rest. 0 or
  /// -errno; on failure nothing remains mapped.
  [[nodiscard]] long seal() noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::uint8_t* base_ = nullptr;
  std::size_t size_ = 0;
  std::size_t used_ = 0;
};

} // namespace weft::patch

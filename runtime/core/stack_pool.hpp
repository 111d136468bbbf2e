// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include "runtime/core/guard.hpp"
#include "runtime/core/region_slab.hpp"

namespace weft::core {

/// A stack: usable bytes are [top - size, top); a guard page lies below.
struct stack {
  void* top = nullptr;
  std::size_t size = 0; // usable
};

/// Stacks of one size for light fibers, from a region_slab, guard page included in the
/// region (and kept while the region is free). The tops are staggered by a few cache lines
/// (under 2 KiB, taken off the usable size) so that parked fibers' hot lines do not all fall
/// into the same cache sets. A parked light fiber touches one page of it, if it and what
/// the owner keeps at the top take less than 2 KiB. Not synchronised, never throws.
class stack_pool {
 public:
  /// `usable` is rounded up to pages; the guard is added.
  explicit stack_pool(std::size_t usable, std::size_t warm_limit = 1024) noexcept;
  /// Unmaps the stacks; none may be in use.
  ~stack_pool() { slab_.discard(); }

  /// top == nullptr: no memory. The top is aligned to a cache line.
  [[nodiscard]] stack acquire() noexcept;
  void release(stack s) noexcept;
  void trim(std::size_t keep) noexcept { slab_.trim(keep); }

  [[nodiscard]] std::size_t usable() const noexcept { return usable_; }
  [[nodiscard]] std::size_t in_use() const noexcept { return slab_.in_use(); }
  /// How the stacks are guarded; the weakest, if not all alike.
  [[nodiscard]] guard_kind guard() const noexcept { return guard_; }
  /// If `fault` lies in the guard page of one of this pool's stacks.
  [[nodiscard]] bool in_guard(const void* fault) const noexcept;

 private:
  void prepare(char* fresh) noexcept;

  std::size_t usable_;
  guard_kind guard_ = guard_kind::install;
  region_slab slab_;
  // Fresh regions that have their guards and first pages already.
  char* prepared_begin_ = nullptr;
  char* prepared_end_ = nullptr;
};

} // namespace weft::core

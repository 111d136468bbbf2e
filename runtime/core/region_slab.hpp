// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

namespace weft::core {

/// Hands out equal, page-aligned regions of address space, carved out of large
/// MAP_NORESERVE mappings, last in first out (a warm region is cheapest).
///
/// Regions come readable and writable; a fresh one reads as zero, a released one may
/// keep what was in it until `trim` or until more than `warm_limit` lie free, whereafter
/// their memory goes back to the kernel (MADV_DONTNEED). Mapping sizes start small and
/// double up to 64 MiB or `regions_max` regions, so that RLIMIT_AS and overcommit mode 2
/// are survived; MADV_NOHUGEPAGE throughout. Slabs are never unmapped: an address once
/// used as a stack stays valid for a late reader. Not synchronised, never throws.
class region_slab {
 public:
  /// `size` is a multiple of the page size. Regions start half a page table's span (1 MiB)
  /// off its boundary, so that a region's top and the guard page of the one above it share
  /// a page table: with 8 MiB regions that is 4 KiB saved for each.
  explicit region_slab(std::size_t size, std::size_t warm_limit = 64) noexcept;
  region_slab(const region_slab&) = delete;
  region_slab& operator=(const region_slab&) = delete;

  struct region {
    void* at = nullptr;   // null: no memory
    bool fresh = false;   // reads as zero
  };
  [[nodiscard]] region acquire() noexcept;
  void release(void* at) noexcept;
  /// Gives the memory of all free regions but `keep` back.
  void trim(std::size_t keep) noexcept;

  [[nodiscard]] bool owns(const void* at) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t in_use() const noexcept { return in_use_; }

 private:
  std::size_t size_;
  std::size_t warm_limit_;
  std::size_t in_use_ = 0;
  void* state_ = nullptr;
};

}  // namespace weft::core

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include "runtime/core/mapped_array.hpp"

namespace weft::core {

/// Which pages the memory is to consist of. Stacks are touched at their tops only: there one
/// huge page would stand for dozens of small ones. What is used from end to end is better off
/// with huge ones, and its regions, whose size is then a power of two, are aligned to it.
enum class pages : bool { small, huge };

/// How much of what is free keeps its memory, besides the `warm_limit`.
enum class warmth : bool {
  limited, // nothing
  /// As much as is in use, at most four times that: what sleeps for different times ends in any
  /// order, and a region's page would be given back and fetched again, 2 us each, while others
  /// begin. The more lies free, the more neighbours are given back by one call.
  as_used,
};

/// Hands out equal, page-aligned regions of address space, carved out of large
/// MAP_NORESERVE mappings, last in first out (a warm region is cheapest).
///
/// Regions come readable and writable; one that was released may keep what was in it until
/// `trim` or until more than `warm_limit` (or what `warmth` says) lie free, whereafter the memory
/// of the oldest goes back to the kernel (MADV_DONTNEED; protections and guard markers stay as they
/// are).
/// Nothing is ever written into a free region.
///
/// Mappings start small and double up to 64 MiB, then are an eighth of what there is, so that
/// a million regions need a few dozen; when the kernel refuses (RLIMIT_AS, overcommit mode 2)
/// smaller ones are tried down to a single region. They are never
/// unmapped while the slab lives: an address once used as a stack stays valid for a late
/// reader. Not synchronised, never throws.
class region_slab {
 public:
  /// `size` is a multiple of the page size. Regions of 2 MiB and more start half a page
  /// table's span (1 MiB) off its boundary, so that a region's top and the guard page of the
  /// one above it share a page table: with 8 MiB regions that is 4 KiB saved for each.
  constexpr explicit region_slab(std::size_t size, std::size_t warm_limit = 64,
                                 pages use = pages::small, warmth keeps = warmth::limited) noexcept
      : size_(size), warm_limit_(warm_limit), use_(use), keeps_(keeps) {}
  region_slab(const region_slab&) = delete;
  region_slab& operator=(const region_slab&) = delete;

  struct region {
    void* at = nullptr; // null: no memory
    bool fresh = false; // never handed out before: reads as zero, protected by nobody
  };
  [[nodiscard]] region acquire() noexcept;
  void release(void* at) noexcept;
  /// How many regions directly above the fresh one that was just given out will be next.
  [[nodiscard]] std::size_t fresh_above() const noexcept {
    return static_cast<std::size_t>(mappings_.end()[-1].end - next_) / size_;
  }
  /// Gives the memory of all free regions but `keep` back.
  void trim(std::size_t keep) noexcept;
  /// Unmaps everything and starts anew; no region may be in use.
  void discard() noexcept;

  [[nodiscard]] bool owns(const void* at) const noexcept { return region_of(at) != nullptr; }
  /// The region that `at` lies in; null if none of this slab's.
  [[nodiscard]] void* region_of(const void* at) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t in_use() const noexcept { return in_use_; }

 private:
  struct mapping {
    char* begin;
    char* end;
  };

  bool grow() noexcept;
  [[nodiscard]] mapping map(std::size_t count) const noexcept;
  void give_back(std::size_t count) noexcept;

  std::size_t size_;
  std::size_t warm_limit_;
  pages use_;
  warmth keeps_;
  std::size_t in_use_ = 0;
  std::size_t total_ = 0; // regions in all mappings
  std::size_t cold_ = 0;  // the first so many of free_ have no memory
  char* next_ = nullptr;  // the first region of the last mapping that was never handed out
  mapped_array<mapping> mappings_;
  mapped_array<char*> free_; // outside of the regions, for a link would cost each a page
};

} // namespace weft::core

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#include "runtime/core/guard.hpp"
#include "runtime/core/region_slab.hpp"

namespace weft::patch {

/// Answers glibc's mmap(MAP_STACK) from slabs, so that a thread's stack is not a mapping (or,
/// with its guard, two) of its own: the kernel allows 65,530 of those, and stock glibc stops
/// at 32,746 threads. The calls that glibc then makes on such a stack are answered too.
class stack_store {
 public:
  stack_store() noexcept = default;

  /// A stack of `size` bytes whose top reads as zero (glibc puts its struct pthread there
  /// and expects that of fresh memory); null to let the kernel answer.
  [[nodiscard]] void* allocate(std::size_t size) noexcept;

  /// Whether [at, at + size) lies in stacks of ours; the other members require it.
  [[nodiscard]] bool owns(const void* at) const noexcept;

  /// mprotect: what lies below an accessible part is the guard. 0 or -errno.
  long protect(void* at, std::size_t size, int protection) noexcept;
  /// munmap of a whole stack. 0 or -errno.
  long free(void* at, std::size_t size) noexcept;

 private:
  struct size_class;
  static constexpr int classes_max = 16;
  size_class* of(const void* at) const noexcept;

  size_class* classes_[classes_max] = {};
  int class_count_ = 0;
};

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/stacks.hpp"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/kernel/object_pool.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// What glibc's struct pthread, at the top of a stack, may reach down to.
constexpr std::size_t zeroed_top = 4096;

/// The guard that nearly every thread asks for, installed before it is asked for.
constexpr std::size_t usual_guard = 4096;

} // namespace

struct stack_store::size_class {
  explicit size_class(std::size_t size) noexcept : slab(size) {}
  core::region_slab slab;
  /// While true every region's guard is the usual one; else a reused one may have any.
  bool uniform = true;
};

stack_store::size_class* stack_store::of(const void* at) const noexcept {
  for (int i = 0; i < class_count_; ++i)
    if (classes_[i]->slab.owns(at)) return classes_[i];
  return nullptr;
}

bool stack_store::owns(const void* at) const noexcept {
  return of(at) != nullptr;
}

void* stack_store::allocate(std::size_t size) noexcept {
  static constinit object_pool<size_class> made;
  size_class* c = nullptr;
  for (int i = 0; i < class_count_ && !c; ++i)
    if (classes_[i]->slab.size() == size) c = classes_[i];
  if (!c) {
    if (size % 4096 != 0 || size <= 2 * usual_guard || class_count_ == classes_max) return nullptr;
    c = made.make(size);
    if (!c) return nullptr;
    classes_[class_count_++] = c;
  }
  const auto region = c->slab.acquire();
  if (!region.at) return nullptr;
  if (region.fresh)
    core::install_guard(region.at, usual_guard);
  else
    __builtin_memset(static_cast<char*>(region.at) + size - zeroed_top, 0, zeroed_top);
  return region.at;
}

long stack_store::protect(void* at, std::size_t size, int protection) noexcept {
  size_class& c = *of(at);
  char* const region = static_cast<char*>(c.slab.region_of(at));
  char* const from = static_cast<char*>(at);
  if (from + size > region + c.slab.size()) return -ENOMEM;
  const auto below = static_cast<std::size_t>(from - region);
  if (protection == (PROT_READ | PROT_WRITE)) {
    if (c.uniform && below == usual_guard) return 0; // accessible as it is
    c.uniform = false;
    core::remove_guard(from, size, core::guard_kind::install);
    const long lifted = raw_syscall(SYS_mprotect, from, size, protection);
    // Only glibc's own call, for all but the guard, says what the guard is to be.
    const bool rest = from + size == region + c.slab.size();
    if (below != 0 && rest && !is_error(lifted)) core::install_guard(region, below);
    return lifted;
  }
  c.uniform = false;
  if (protection == PROT_NONE) {
    core::install_guard(from, size);
    return 0;
  }
  return raw_syscall(SYS_mprotect, from, size, protection);
}

long stack_store::free(void* at, std::size_t size) noexcept {
  size_class& c = *of(at);
  if (c.slab.region_of(at) != at || size != c.slab.size()) return -EINVAL;
  c.slab.release(at);
  return 0;
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/block_pool.hpp"

#include <new>

// LeakSanitizer does not look into mappings for what keeps memory alive: told where the blocks
// are, also in a program of whose objects only it was built with one.
extern "C" {
[[gnu::weak]] void __lsan_register_root_region(const void* at, std::size_t size);
[[gnu::weak]] void __lsan_unregister_root_region(const void* at, std::size_t size);
}

namespace weft::detail {

// How many empty slabs are kept for the next burst.
constexpr std::size_t empty_slabs_kept = 4;

block_pool::~block_pool() {
  if (__lsan_unregister_root_region)
    slabs_.for_each([](slab& s) { __lsan_unregister_root_region(&s, slab_bytes); });
  memory_.discard();
}

state* block_pool::allocate_slowly() {
  while (true) {
    slab* s = current_;
    if (s && s->made < blocks_in_slab) {
      state* block = &block_at(*s, s->made++);
      ++s->used;
      return ::new (static_cast<void*>(block)) state;
    }
    if (s && s->free) {
      state* block = s->free;
      s->free = static_cast<state*>(block->next);
      ++s->used;
      return ::new (static_cast<void*>(block)) state;
    }
    if (partial_) {
      current_ = partial_;
      partial_ = current_->next_partial;
      current_->partial = false;
      if (current_->used == 0) --empty_slabs_;
      continue;
    }
    void* memory = memory_.acquire().at;
    if (!memory) {
      --used_;
      throw std::bad_alloc();
    }
    if (__lsan_register_root_region) __lsan_register_root_region(memory, slab_bytes);
    current_ = ::new (memory) slab;
    slabs_.push_back(*current_);
  }
}

void block_pool::released_elsewhere(slab& s) noexcept {
  if (!s.partial) {
    s.partial = true;
    s.next_partial = partial_;
    partial_ = &s;
  }
  if (s.used != 0) return;
  if (++empty_slabs_ <= 2 * empty_slabs_kept) return;
  // Sweeping halves the number of empty slabs, so that each sweep is paid by many releases.
  slab** link = &partial_;
  while (slab* p = *link) {
    if (p->used == 0 && empty_slabs_ > empty_slabs_kept) {
      *link = p->next_partial;
      p->unlink();
      --empty_slabs_;
      if (__lsan_unregister_root_region) __lsan_unregister_root_region(p, slab_bytes);
      memory_.release(p);
    } else {
      link = &p->next_partial;
    }
  }
}

} // namespace weft::detail

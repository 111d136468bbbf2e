// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/core/list.hpp"
#include "runtime/core/region_slab.hpp"
#include "runtime/sched/fetch_ahead.hpp"
#include "weft/detail/state.hpp"

namespace weft::detail {

/// Control blocks of one hub, in slabs of 64 KiB. A slab knows its free blocks, so that whole
/// slabs' memory goes back after a burst, and the pool can visit every block in use: that is
/// the register of all fibers, at no cost to spawn and end. Not synchronised.
class block_pool {
  friend struct debugger_map;
  static constexpr std::size_t slab_bytes = std::size_t{64} << 10;
  static constexpr std::size_t warm_slabs = 256;
  static constexpr std::size_t never_while_busy = SIZE_MAX / 2;

  struct slab : core::list_hook<> {
    state* free = nullptr;
    std::uint32_t used = 0;
    std::uint32_t made = 0; // blocks from here on were never handed out
    slab* next_partial = nullptr;
    bool partial = false; // in the list of those with free blocks
  };
  static constexpr std::size_t header_bytes =
      sizeof(state); // so that each block is two cache lines
  static_assert(sizeof(slab) <= header_bytes);
  static constexpr std::uint32_t blocks_in_slab = (slab_bytes - header_bytes) / sizeof(state);

 public:
  block_pool() noexcept = default;
  block_pool(const block_pool&) = delete;
  block_pool& operator=(const block_pool&) = delete;
  ~block_pool();

  /// A new block, made as by default. Throws std::bad_alloc.
  state* allocate() {
    ++used_;
    slab* s = current_;
    if (s && s->made < blocks_in_slab) {
      state* block = &block_at(*s, s->made++);
      fetch_block(reinterpret_cast<const char*>(block + blocks_ahead));
      ++s->used;
      return ::new (static_cast<void*>(block)) state;
    }
    if (s && s->free) [[likely]] {
      state* block = s->free;
      s->free = static_cast<state*>(block->next);
      fetch_block(reinterpret_cast<const char*>(s->free));
      fetch_block(in_row_behind(block, s->free));
      ++s->used;
      return ::new (static_cast<void*>(block)) state;
    }
    return allocate_slowly();
  }

  void release(state& block) noexcept {
    --used_;
    block.where = phase::free;
    slab* s = slab_of(&block);
    // Of one that is freed no more than the first line is looked at.
    if (s->free) __builtin_prefetch(in_row_behind(s->free, &block), 1);
    block.next = s->free;
    s->free = &block;
    --s->used;
    if (s != current_) [[unlikely]]
      released_elsewhere(*s);
  }

  /// Gives the memory of a burst back. For when there is nothing else to do: the kernel clears
  /// what is taken again, which costs more than all else in a fiber's life, and a huge page of
  /// which a part is given back falls to pieces, so it is to be much at a time.
  void trim() noexcept { memory_.trim(warm_slabs); }

  [[nodiscard]] std::size_t used() const noexcept { return used_; }

  /// Visits every block in use; the visitor may release the visited one if `used` stays above 0.
  template <class F>
  void for_each(F&& visit) {
    slabs_.for_each([&](slab& s) {
      for (std::uint32_t i = 0; i < s.made; ++i)
        if (state& block = block_at(s, i); block.where != phase::free) visit(block);
    });
  }

 private:
  static slab* slab_of(void* block) noexcept {
    return reinterpret_cast<slab*>(reinterpret_cast<std::uintptr_t>(block) & ~(slab_bytes - 1));
  }
  static state& block_at(slab& s, std::uint32_t i) noexcept {
    return *reinterpret_cast<state*>(reinterpret_cast<char*>(&s) + header_bytes +
                                     i * sizeof(state));
  }
  state* allocate_slowly();
  void released_elsewhere(slab& s) noexcept;

  slab* current_ = nullptr;
  slab* partial_ = nullptr;
  std::size_t used_ = 0;
  std::size_t empty_slabs_ = 0; // among the partial ones
  core::list<slab> slabs_;
  core::region_slab memory_{slab_bytes, never_while_busy, core::pages::huge};
};

} // namespace weft::detail

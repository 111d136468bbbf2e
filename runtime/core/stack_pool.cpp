// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/stack_pool.hpp"

#include <cstdint>

#include "runtime/core/page.hpp"

namespace weft::core {
namespace {

constexpr std::size_t stagger_step = 128; // two lines: processors fetch them in pairs
constexpr std::size_t stagger_count = 16;
// Of neighbours: further apart than frames of a waiting fiber are large. Where the lowest twelve
// bits of addresses are alike, a processor has what is loaded of the one stack wait for what was
// just stored to the other: two fibers that wake each other took 32 ns a turn instead of 25.
constexpr std::size_t stagger_stride = 5;
static_assert(stagger_count % stagger_stride != 0);
static_assert(stagger_step * stagger_count < page_size, "release finds the region by rounding up");

} // namespace

stack_pool::stack_pool(std::size_t usable, std::size_t warm_limit) noexcept
    : usable_(round_up_to_pages(usable)),
      slab_(usable_ + page_size, warm_limit, pages::small, warmth::as_used) {}

stack stack_pool::acquire() noexcept {
  const auto [at, fresh] = slab_.acquire();
  if (!at) return {};
  if (fresh) {
    const guard_kind kind = install_guard(at, page_size);
    if (kind > guard_) guard_ = kind;
  }
  // By place, not in turn: a region that is used again finds its lines in the cache.
  const auto number = reinterpret_cast<std::uintptr_t>(at) / slab_.size();
  const std::size_t stagger = number * stagger_stride % stagger_count * stagger_step;
  return {static_cast<char*>(at) + slab_.size() - stagger, usable_ - stagger};
}

void stack_pool::release(stack s) noexcept {
  const auto top = reinterpret_cast<std::uintptr_t>(s.top);
  slab_.release(static_cast<char*>(s.top) + (round_up_to_pages(top) - top) - slab_.size());
}

bool stack_pool::in_guard(const void* fault) const noexcept {
  const void* region = slab_.region_of(fault);
  return region && static_cast<const char*>(fault) - static_cast<const char*>(region) <
                       static_cast<std::ptrdiff_t>(page_size);
}

} // namespace weft::core

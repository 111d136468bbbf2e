// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/stack_pool.hpp"

#include <algorithm>
#include <cstdint>

#include "runtime/core/advise_each.hpp"
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

// Fewer are not worth a call of their own.
constexpr std::size_t fewest_at_once = 8;
// MADV_POPULATE_WRITE, Linux 5.14.
constexpr int advice_populate_write = 23;

} // namespace

stack_pool::stack_pool(std::size_t usable, std::size_t warm_limit) noexcept
    : usable_(round_up_to_pages(usable)),
      slab_(usable_ + page_size, warm_limit, pages::small, warmth::as_used) {}

stack stack_pool::acquire() noexcept {
  const auto [at, fresh] = slab_.acquire();
  if (!at) return {};
  if (fresh) prepare(static_cast<char*>(at));
  // By place, not in turn: a region that is used again finds its lines in the cache.
  const auto number = reinterpret_cast<std::uintptr_t>(at) / slab_.size();
  const std::size_t stagger = number * stagger_stride % stagger_count * stagger_step;
  return {static_cast<char*>(at) + slab_.size() - stagger, usable_ - stagger};
}

/// Where many stacks are in use already, more are likely to be wanted: guards and the pages that
/// are touched first come by one call for several, which takes a third off the 2 us of each. What
/// is had in advance is at most a sixteenth of what is in use.
void stack_pool::prepare(char* fresh) noexcept {
  if (fresh >= prepared_begin_ && fresh < prepared_end_) return;
  const std::size_t region = slab_.size();
  const std::size_t count =
      std::min({most_advised_at_once, slab_.in_use() / 16, slab_.fresh_above() + 1});
  if (count >= fewest_at_once && install_guards(fresh, count, region, page_size)) {
    prepared_begin_ = fresh;
    prepared_end_ = fresh + count * region;
    // Without it they are fetched when they are touched.
    static_cast<void>(
        advise_each(fresh + region - page_size, count, region, page_size, advice_populate_write));
    return;
  }
  const guard_kind kind = install_guard(fresh, page_size);
  if (kind > guard_) guard_ = kind;
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

// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/carrier.hpp"

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

#include "runtime/sched/hub.hpp"

namespace weft::detail {
namespace {

constexpr std::size_t page = 4096;
// Idle carriers kept by a hub; the pool behind keeps more stacks warm.
constexpr std::size_t idle_kept = 256;

struct depot {
  std::mutex mutex;
  std::vector<std::unique_ptr<core::stack_pool>> pools[stack_classes];
};
depot& stack_pools() {
  static depot& instance = *new depot; // threads may end after static destruction
  return instance;
}

constexpr std::size_t region_in_class(std::uint32_t c) noexcept {
  return page << c;
}

} // namespace

std::size_t usable_in_class(std::uint32_t stack_class) noexcept {
  return region_in_class(stack_class) - page;
}

std::uint32_t stack_class_for(std::size_t usable) {
  // The smallest has room for a carrier and for a signal handler's frame.
  for (std::uint32_t c = 2; c < stack_classes; ++c)
    if (usable_in_class(c) >= usable) return c;
  throw std::length_error("weft: no fiber has a stack that large; ask for 2 GiB or less");
}

std::uint32_t default_stack_class() noexcept {
  static const std::uint32_t chosen = [] {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr std::size_t usual = std::size_t{252} << 10; // redzones take their room
#else
    constexpr std::size_t usual = std::size_t{60} << 10;
#endif
    const char* asked = std::getenv("WEFT_FIBER_STACK_SIZE");
    const std::size_t bytes = asked ? std::strtoull(asked, nullptr, 10) : 0;
    try {
      return stack_class_for(bytes ? bytes : usual);
    } catch (const std::length_error&) {
      return stack_class_for(usual);
    }
  }();
  return chosen;
}

std::unique_ptr<core::stack_pool> take_stack_pool(std::uint32_t stack_class) {
  {
    auto& d = stack_pools();
    const std::lock_guard held(d.mutex);
    auto& pools = d.pools[stack_class];
    if (!pools.empty()) {
      auto pool = std::move(pools.back());
      pools.pop_back();
      return pool;
    }
  }
  return std::make_unique<core::stack_pool>(usable_in_class(stack_class));
}

void give_back_stack_pool(std::uint32_t stack_class,
                          std::unique_ptr<core::stack_pool> pool) noexcept {
  pool->trim(0);
  auto& d = stack_pools();
  const std::lock_guard held(d.mutex);
  try {
    d.pools[stack_class].push_back(std::move(pool));
  } catch (...) { // no memory to remember it by: its address space is lost
    static_cast<void>(pool.release());
  }
}

void reset_stack_pools_after_fork() noexcept {
  ::new (&stack_pools().mutex) std::mutex;
}

carrier_pool::carrier_pool(hub& home, std::uint32_t stack_class)
    : home_(home), stack_class_(stack_class), stacks_(take_stack_pool(stack_class)) {}

carrier_pool::~carrier_pool() {
  while (idle_) {
    carrier& c = *idle_;
    idle_ = c.next_idle;
    discard(c);
  }
  give_back_stack_pool(stack_class_, std::move(stacks_));
}

carrier* carrier_pool::make() noexcept {
  const core::stack memory = stacks_->acquire();
  if (!memory.top) return nullptr;
  auto at = reinterpret_cast<std::uintptr_t>(memory.top) - sizeof(carrier);
  at &= ~std::uintptr_t{63};
  auto* c = ::new (reinterpret_cast<void*>(at)) carrier;
  c->memory = memory;
  c->home = &home_;
  c->stack_class = stack_class_;
  const std::size_t taken = reinterpret_cast<std::uintptr_t>(memory.top) - at;
  c->context = core::make_context(c, memory.size - taken, &hub::run_carrier);
  c->as.make(memory.top, memory.size);
  return c;
}

void carrier_pool::discard(carrier& c) noexcept {
  const core::stack memory = c.memory;
  c.as.unmake(memory.top, memory.size);
  stacks_->release(memory);
}

void carrier_pool::trim() noexcept {
  if (idle_count_ <= 2 * idle_kept) return;
  while (idle_count_ > idle_kept) {
    carrier& c = *idle_;
    idle_ = c.next_idle;
    --idle_count_;
    discard(c);
  }
}

} // namespace weft::detail

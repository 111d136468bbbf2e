// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>

#include "runtime/core/stack_pool.hpp"
#include "runtime/sched/sanitizer.hpp"
#include "weft/detail/state.hpp"

namespace weft::detail {

/// A stack with a context on it that runs one fiber after another: a fiber gets its carrier when
/// it first runs and leaves it when it ends. When the next ready fiber is a fresh one, it starts
/// on the carrier that just became free without any switch. Lives at the top of its stack.
///
/// While a fiber is inside a generator's body it is on that one's stack, and `state::stack` says
/// so: see generator_stack.
struct carrier {
  core::stack memory;
  void* context = nullptr;   // while idle
  state* assigned = nullptr; // the fiber to run when jumped to
  hub* home = nullptr;       // null: a generator_stack
  carrier* next_idle = nullptr;
  std::uint32_t stack_class = 0;
  execution as;
};

/// Carriers of one stack size: a LIFO list of idle ones, and the pool behind it.
class carrier_pool {
 public:
  carrier_pool(hub& home, std::uint32_t stack_class);
  carrier_pool(const carrier_pool&) = delete;
  carrier_pool& operator=(const carrier_pool&) = delete;
  /// All carriers are idle or discarded.
  ~carrier_pool();

  /// An idle carrier, made if there is none. Null: no memory.
  carrier* acquire() noexcept {
    if (carrier* c = idle_) [[likely]] {
      idle_ = c->next_idle;
      --idle_count_;
      return c;
    }
    return make();
  }
  /// `c` is about to jump away, so its stack is still in use: it is only listed.
  void park(carrier& c) noexcept {
    c.next_idle = idle_;
    idle_ = &c;
    ++idle_count_;
  }
  /// Gives stacks beyond a few idle ones back. Called on the hub's own stack.
  void trim() noexcept;

  /// Takes back the stack of a fiber that will never run again.
  void discard(carrier& c) noexcept;

  [[nodiscard]] core::stack_pool& stacks() noexcept { return *stacks_; }

 private:
  carrier* make() noexcept;

  carrier* idle_ = nullptr;
  std::size_t idle_count_ = 0;
  hub& home_;
  std::uint32_t stack_class_;
  std::unique_ptr<core::stack_pool> stacks_;
};

/// Pools of stacks outlive the hubs that use them, since their address space is never unmapped.
std::unique_ptr<core::stack_pool> take_stack_pool(std::uint32_t stack_class);
void give_back_stack_pool(std::uint32_t stack_class,
                          std::unique_ptr<core::stack_pool> pool) noexcept;
/// In a forked child.
void reset_stack_pools_after_fork() noexcept;

/// Stack sizes are powers of two of pages, guard page included.
inline constexpr std::uint32_t stack_classes = 20;
/// Of a hub's loop, in which the program's callbacks run: 252 KiB.
inline constexpr std::uint32_t loop_stack_class = 6;
/// Class of the smallest stack with at least `usable` bytes. Throws std::length_error if there
/// is none.
std::uint32_t stack_class_for(std::size_t usable);
std::size_t usable_in_class(std::uint32_t stack_class) noexcept;
/// Of a fiber that asks for nothing; WEFT_FIBER_STACK_SIZE (bytes) changes it.
std::uint32_t default_stack_class() noexcept;

} // namespace weft::detail

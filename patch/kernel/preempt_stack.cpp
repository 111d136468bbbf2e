// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/preempt_stack.hpp"

#include <sys/auxv.h>
#include <sys/mman.h>

#include <cstdint>

#include "patch/kernel/spin_lock.hpp"
#include "patch/kernel/worker.hpp"
#include "runtime/core/sys.hpp"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

namespace weft::patch {
namespace {

/// Guards what the workers share.
constinit spin_lock lock;
constinit preempt_stack* unused = nullptr;

/// A power of two, by which a block is found from an address in it.
constinit std::uintptr_t block_size = 0;

/// What the calls from the handler to the scheduler need.
constexpr std::uintptr_t calls = 8 * 1024;
constexpr unsigned at_once = 16;

bool grow() noexcept {
  if (block_size == 0) {
    const std::uintptr_t needed = getauxval(AT_MINSIGSTKSZ) + calls;
    for (block_size = 16 * 1024; block_size < needed;)
      block_size *= 2;
  }
  const std::uintptr_t size = block_size * (at_once + 1);
  const long at =
      core::sys::map(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (at < 0) return false;
  const auto first = (static_cast<std::uintptr_t>(at) + block_size - 1) & ~(block_size - 1);
  for (unsigned i = 0; i < at_once; ++i) {
    auto* b = reinterpret_cast<preempt_stack*>(first + i * block_size);
    b->next = unused;
    unused = b;
  }
  return true;
}

} // namespace

char* take_preempt_stack(worker& w) noexcept {
  preempt_stack* b = w.left_stack;
  w.left_stack = nullptr;
  if (!b) {
    const spin_guard guard{lock};
    if (!unused && !grow()) return nullptr;
    b = unused;
    unused = b->next;
  }
  return reinterpret_cast<char*>(b) + block_size;
}

void release_preempt_stack(worker& w, const void* somewhere) noexcept {
  auto* left = reinterpret_cast<preempt_stack*>(reinterpret_cast<std::uintptr_t>(somewhere) &
                                                ~(block_size - 1));
  if (preempt_stack* b = w.left_stack) {
    const spin_guard guard{lock};
    b->next = unused;
    unused = b;
  }
  w.left_stack = left;
}

void reset_preempt_stacks_after_fork() noexcept {
  // Whoever had the lock may have left the list in any state.
  lock.reset();
  unused = nullptr;
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/preempt_stack.hpp"

#include <sys/auxv.h>
#include <sys/mman.h>

#include <cstdint>

#include "runtime/core/sys.hpp"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

namespace weft::patch {
namespace {

struct block {
  block* next;
};
constinit block* unused = nullptr;

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
    auto* b = reinterpret_cast<block*>(first + i * block_size);
    b->next = unused;
    unused = b;
  }
  return true;
}

} // namespace

char* take_preempt_stack() noexcept {
  if (!unused && !grow()) return nullptr;
  block* b = unused;
  unused = b->next;
  return reinterpret_cast<char*>(b) + block_size;
}

void release_preempt_stack(const void* somewhere) noexcept {
  auto* b =
      reinterpret_cast<block*>(reinterpret_cast<std::uintptr_t>(somewhere) & ~(block_size - 1));
  b->next = unused;
  unused = b;
}

} // namespace weft::patch

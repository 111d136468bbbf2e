// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/sites/entry.hpp"

/// In place of the patch's own header of this name, for the harness of workers: a kernel thread
/// keeps its thread pointer, behind which the sanitizer has what it knows of it, and only
/// `weft_self`, which lies at the same distance from any thread pointer, follows the green thread.
namespace weft::patch {

extern bool has_fsgsbase;

inline void* thread_pointer() noexcept {
  void* p;
  asm("mov %%fs:0, %0" : "=r"(p));
  return p;
}

/// Out of line: no address of a thread-local may be kept over a switch of threads.
void set_thread_pointer(void* p) noexcept;

} // namespace weft::patch

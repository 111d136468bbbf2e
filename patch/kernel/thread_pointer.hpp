// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <asm/prctl.h>
#include <sys/syscall.h>

#include "patch/sites/raw_syscall.hpp"

/// The thread pointer (FS base on x86-64), which makes a green thread's TLS its own.
namespace weft::patch {

/// Whether user space may write the FS base (HWCAP2 bit 1, Linux 5.9): 4-9 ns against
/// some 90 for the system call. Set once at start.
[[gnu::visibility("hidden")]] extern bool has_fsgsbase;

inline void* thread_pointer() noexcept {
  void* p;
  asm("mov %%fs:0, %0" : "=r"(p)); // the TCB's first word points to itself
  return p;
}

[[gnu::always_inline]] inline void set_thread_pointer(void* p) noexcept {
  if (__builtin_expect(has_fsgsbase, 1))
    asm volatile("wrfsbase %0" ::"r"(p) : "memory");
  else
    raw_syscall(SYS_arch_prctl, ARCH_SET_FS, p);
}

} // namespace weft::patch

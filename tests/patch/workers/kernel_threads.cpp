// SPDX-License-Identifier: BSL-1.0
//
// Kernel threads of weft's by way of libc, since a sanitizer knows no others: in place of
// start_kernel_thread and end_kernel_thread, by the linker's --wrap.
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>

#include "crew.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/thread_pointer.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

struct beginning {
  void* thread_pointer;
  void (*entry)(void*);
  void* argument;
  std::uint32_t* alive;
  std::atomic<long> tid{0};
};

std::atomic<unsigned> there_are{0};

thread_local jmp_buf* end_of_thread = nullptr;

[[gnu::noinline]] void run_to_end(void (*entry)(void*), void* argument) noexcept {
  jmp_buf end;
  end_of_thread = &end;
  if (setjmp(end) == 0) entry(argument);
}

void* begin(void* argument) noexcept {
  auto& b = *static_cast<beginning*>(argument);
  const beginning own{b.thread_pointer, b.entry, b.argument, b.alive};
  fiber_of(own.thread_pointer) = current_fiber();
  set_thread_pointer(own.thread_pointer);
  b.tid.store(raw_syscall(SYS_gettid), std::memory_order_release); // b is gone from here on
  run_to_end(own.entry, own.argument);
  weft_self = nullptr;
  // As the kernel does for CLONE_CHILD_CLEARTID.
  __atomic_store_n(own.alive, 0, __ATOMIC_RELEASE);
  raw_syscall(SYS_futex, own.alive, FUTEX_WAKE, 1);
  there_are.fetch_sub(1, std::memory_order_release);
  return nullptr;
}

} // namespace

unsigned kernel_threads() noexcept {
  return there_are.load(std::memory_order_acquire);
}

extern "C" {

long wrapped_start(void*, void* thread_pointer, void (*entry)(void*), void* argument,
                   std::uint32_t* alive) noexcept
    asm("__wrap__ZN4weft5patch19start_kernel_threadEPvS1_PFvS1_ES1_Pj");
[[noreturn]] void wrapped_end() noexcept asm("__wrap__ZN4weft5patch17end_kernel_threadEv");

long wrapped_start(void*, void* thread_pointer, void (*entry)(void*), void* argument,
                   std::uint32_t* alive) noexcept {
  __atomic_store_n(alive, 1, __ATOMIC_RELAXED);
  beginning b{thread_pointer, entry, argument, alive};
  std::uint64_t before;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every_signal, &before, 8);
  pthread_t thread;
  ++there_are;
  const int failed = pthread_create(&thread, nullptr, begin, &b);
  set_kernel_mask(before);
  if (failed) {
    --there_are;
    __atomic_store_n(alive, 0, __ATOMIC_RELAXED);
    return -failed;
  }
  pthread_detach(thread);
  while (b.tid.load(std::memory_order_acquire) == 0)
    sched_yield();
  return b.tid.load(std::memory_order_relaxed);
}

void wrapped_end() noexcept {
  longjmp(*end_of_thread, 1);
}
}

} // namespace weft::patch

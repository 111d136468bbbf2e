// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/kernel_thread.hpp"

#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/signal_detail.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/raw_syscall.hpp"

extern "C" long weft_clone_thread(unsigned long flags, void* stack_top, std::uint32_t* child_tid,
                                  void* thread_pointer, void (*entry)(void*), void* argument);

namespace weft::patch {

bool furnish_helper(std::size_t stack_size, void*& stack_top, void*& thread_pointer) noexcept {
  if (stack_top) return true;
  green* nobody = the_machine().greens.make();
  const long at = core::sys::map(nullptr, stack_size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  thread_pointer = nobody ? make_bare_tls(*nobody) : nullptr;
  if (is_error(at) || !thread_pointer) return false;
  stack_top = reinterpret_cast<char*>(at) + stack_size;
  return true;
}

long start_kernel_thread(void* stack_top, void* thread_pointer, void (*entry)(void*),
                         void* argument, std::uint32_t* alive) noexcept {
  constexpr unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                                  CLONE_SYSVSEM | CLONE_SETTLS | CLONE_CHILD_CLEARTID;
  *alive = 1;
  std::uint64_t before;
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &every_signal, &before, 8);
  const long tid = weft_clone_thread(flags, stack_top, alive, thread_pointer, entry, argument);
  set_kernel_mask(before);
  if (is_error(tid)) *alive = 0;
  return tid;
}

void end_kernel_thread() noexcept {
  for (;;)
    raw_syscall(SYS_exit, 0);
}

void wait_for_end(std::uint32_t* alive) noexcept {
  // The kernel's wake-up at a thread's end is for shared futexes.
  while (__atomic_load_n(alive, __ATOMIC_ACQUIRE) != 0)
    raw_syscall(SYS_futex, alive, FUTEX_WAIT, 1, nullptr);
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
//
// A thread's identity.
#include "patch/kernel/thread.hpp"

#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "patch/calls/attributes.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/bound_thread.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"
#include <errno.h>

namespace weft::patch {
namespace {

long on_gettid(green& g, syscall_frame&) noexcept {
  return g.tid;
}

long on_set_tid_address(green& g, syscall_frame& f) noexcept {
  g.clear_child_tid = pointer<std::uint32_t>(f.rdi);
  return g.tid;
}

long on_set_robust_list(green& g, syscall_frame& f) noexcept {
  if (f.rsi != sizeof(robust_list_head)) return -EINVAL;
  g.robust_list = pointer<robust_list_head>(f.rdi);
  // What a process holds when it is killed only the kernel can give back.
  return g.tid == the_machine().main_tid ? pass_to_kernel : 0;
}

long on_get_robust_list(green& g, syscall_frame& f) noexcept {
  const pid_t tid = number(f.rdi);
  green* whose = tid == 0 ? &g : find_thread(tid);
  if (!whose) return pass_to_kernel;
  return put_user(pointer<std::size_t>(f.rdx), sizeof(robust_list_head)) &&
                 put_user(pointer<robust_list_head*>(f.rsi), whose->robust_list)
             ? 0
             : -EFAULT;
}

/// glibc aborts if it cannot register; a green thread has no kernel thread to register, so
/// the area says that it is not usable and sched_getcpu asks the kernel.
long on_rseq(green& g, syscall_frame& f) noexcept {
  if (g.tid == the_machine().main_tid) return pass_to_kernel;
  constexpr std::uint32_t registration_failed = static_cast<std::uint32_t>(-2);
  // struct rseq's cpu_id
  return put_user(pointer<std::uint32_t>(f.rdi) + 1, registration_failed) ? 0 : -EFAULT;
}

long on_prctl(green& g, syscall_frame& f) noexcept {
  before_prctl(f);
  if (changes_kernel_thread(number(f.rdi)))
    if (const long failed = bind_thread(g)) return failed;
  // The process's name is its main thread's; the others' are kept here.
  if (g.tid == the_machine().main_tid) return pass_to_kernel;
  if (number(f.rdi) == PR_SET_NAME) {
    const char* from = pointer<const char>(f.rsi);
    char name[sizeof g.name] = {};
    for (unsigned i = 0; i < sizeof name - 1; ++i) {
      if (!get_user(name[i], from + i)) return -EFAULT;
      if (!name[i]) break;
    }
    __builtin_memcpy(g.name, name, sizeof name);
    return 0;
  }
  if (number(f.rdi) == PR_GET_NAME) {
    return copy_to_user(pointer<char>(f.rsi), g.name, sizeof g.name) ? 0 : -EFAULT;
  }
  return pass_to_kernel;
}

long on_exit(green& g, syscall_frame& f) noexcept {
  exit_thread(g, number(f.rdi));
}

constexpr call_entry entries[] = {
    {SYS_gettid, virtual_when::active, on_gettid},
    {SYS_set_tid_address, virtual_when::active, on_set_tid_address},
    {SYS_set_robust_list, virtual_when::always, on_set_robust_list},
    {SYS_get_robust_list, virtual_when::active, on_get_robust_list},
    {SYS_rseq, virtual_when::active, on_rseq},
    {SYS_prctl, virtual_when::always, on_prctl},
    {SYS_exit, virtual_when::always, on_exit},
};

} // namespace

const call_family thread_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

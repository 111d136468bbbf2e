// SPDX-License-Identifier: BSL-1.0
//
// Making processes, becoming another, waiting for children, ending.
#include "patch/kernel/process.hpp"

#include <errno.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "patch/calls/descriptors.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/kernel/wait.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr std::uint64_t makes_thread = CLONE_VM | CLONE_THREAD;

long spawn(green& g, std::uint64_t flags) noexcept {
  before_spawn(g, flags);
  return spawn_in_kernel;
}

long on_clone(green& g, syscall_frame& f) noexcept {
  if ((f.rdi & makes_thread) != makes_thread) return spawn(g, f.rdi);
  clone_args args{};
  args.flags = f.rdi;
  args.stack = f.rsi; // here the top, and no size
  args.parent_tid = f.rdx;
  args.child_tid = f.r10;
  args.tls = f.r8;
  return create_thread(g, f, args);
}

long on_clone3(green& g, syscall_frame& f) noexcept {
  if (f.rsi < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  clone_args args{};
  const std::size_t size = f.rsi < sizeof args ? f.rsi : sizeof args;
  if (!copy_from_user(&args, pointer<void>(f.rdi), size)) return -EFAULT;
  if ((args.flags & makes_thread) != makes_thread) return spawn(g, args.flags);
  return create_thread(g, f, args);
}

long on_fork(green& g, syscall_frame&) noexcept {
  return spawn(g, 0);
}
long on_vfork(green& g, syscall_frame&) noexcept {
  return spawn(g, CLONE_VM | CLONE_VFORK);
}

/// Becomes another program, or stays this one with an error.
long on_execve(green& g, syscall_frame& f) noexcept {
  before_spawn(g, 0); // a mask is inherited
  const long result = raw_syscall(static_cast<long>(f.rax), f.rdi, f.rsi, f.rdx, f.r10, f.r8);
  show_ignored_faults(false);
  apply_worker_mask(*g.on);
  return result;
}

long on_exit_group(green&, syscall_frame&) noexcept {
  before_exit();
  return pass_to_kernel;
}

long on_wait4(green& g, syscall_frame& f) noexcept {
  const pid_t pid = number(f.rdi);
  const int options = number(f.rdx);
  for (;;) {
    int status = 0;
    const long result = raw_syscall(SYS_wait4, f.rdi, &status, options | WNOHANG, f.r10);
    if (result > 0) {
      if (!WIFSTOPPED(status) && !WIFCONTINUED(status)) forget_child(static_cast<pid_t>(result));
      if (f.rsi && !put_user(pointer<int>(f.rsi), status)) return -EFAULT;
    }
    if (result != 0 || (options & WNOHANG)) return result;
    if (const long interrupted = wait_for_children(g, pid, options)) return interrupted;
  }
}

/// The members that the kernel writes, and no others.
bool tell_child(siginfo_t* to, const siginfo_t& info) noexcept {
  return copy_to_user(to, &info, offsetof(siginfo_t, si_code) + sizeof info.si_code) &&
         put_user(&to->si_pid, info.si_pid) && put_user(&to->si_uid, info.si_uid) &&
         put_user(&to->si_status, info.si_status);
}

long on_waitid(green& g, syscall_frame& f) noexcept {
  const int kind = number(f.rdi);
  const int options = number(f.r10);
  const pid_t pid = kind == P_PID ? number(f.rsi) : kind == P_ALL ? -1 : 0;
  for (;;) {
    siginfo_t info{};
    const long result = raw_syscall(SYS_waitid, kind, f.rsi, &info, options | WNOHANG, f.r8);
    if (result != 0) return result;
    if (info.si_pid != 0 || (options & WNOHANG)) {
      const bool ended =
          info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
      if (info.si_pid != 0 && ended && !(options & WNOWAIT)) forget_child(info.si_pid);
      return !f.rdx || tell_child(pointer<siginfo_t>(f.rdx), info) ? 0 : -EFAULT;
    }
    if (kind == P_PIDFD) {
      const io_wait came =
          wait_for_io(g, number(f.rsi), core::io_in, core::never, park_reason::child);
      if (came == io_wait::signal) return restart_if_allowed;
    } else if (const long interrupted = wait_for_children(g, pid, options)) {
      return interrupted;
    }
  }
}

constexpr call_entry entries[] = {
    {SYS_clone, virtual_when::always, on_clone},
    {SYS_clone3, virtual_when::always, on_clone3},
    {SYS_fork, virtual_when::always, on_fork},
    {SYS_vfork, virtual_when::always, on_vfork},
    {SYS_execve, virtual_when::always, on_execve},
    {SYS_execveat, virtual_when::always, on_execve},
    {SYS_exit_group, virtual_when::always, on_exit_group},
    {SYS_wait4, virtual_when::active, on_wait4},
    {SYS_waitid, virtual_when::active, on_waitid},
};

} // namespace

const call_family process_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

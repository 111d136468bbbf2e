// SPDX-License-Identifier: BSL-1.0
//
// Making processes, becoming another, waiting for children, ending.
#include "patch/kernel/process.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "patch/calls/libcs_own.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/fibers.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/scheduler.hpp"
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

bool makes_green_thread(const green& g, std::uint64_t flags) noexcept {
  if ((flags & makes_thread) != makes_thread) return false;
  return (the_machine().families & WEFT_FAMILY_THREAD) || makes_fiber(g);
}

long on_clone(green& g, syscall_frame& f) noexcept {
  if (!makes_green_thread(g, f.rdi)) return spawn(g, f.rdi);
  clone_args args{};
  args.flags = f.rdi;
  args.stack = f.rsi; // here the top, and no size
  args.parent_tid = f.rdx;
  args.child_tid = f.r10;
  args.tls = f.r8;
  return create_thread(g, f, args);
}

/// How far below its end a stack of libc's making begins. All would begin at the same place in a
/// page, so that the frames of thousands of threads that wait shared a few sets of the caches. Not
/// for small stacks, which have nothing to spare. By place, not in turn: a stack that is used again
/// finds its lines.
std::uint64_t stagger(const clone_args& args) noexcept {
  constexpr std::uint64_t enough = 64 * 1024;
  constexpr std::uint64_t step = 128; // two lines: processors fetch them in pairs
  constexpr std::uint64_t steps = 16;
  constexpr std::uint64_t stride = 5; // neighbours are further apart than what a turn touches
  if (args.stack_size < enough) return 0;
  return (args.stack + args.stack_size) / 4096 * stride % steps * step;
}

long on_clone3(green& g, syscall_frame& f) noexcept {
  if (f.rsi < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  clone_args args{};
  const std::size_t size = f.rsi < sizeof args ? f.rsi : sizeof args;
  if (!copy_from_user(&args, pointer<void>(f.rdi), size)) return -EFAULT;
  if (!makes_green_thread(g, args.flags)) return spawn(g, args.flags);
  // Others, and those who bring their stack, may have put something at its top.
  if (is_libcs_own(f) && the_machine().stacks.owns(pointer<void>(args.stack)))
    args.stack_size -= stagger(args);
  return create_thread(g, f, args);
}

long on_fork(green& g, syscall_frame&) noexcept {
  return spawn(g, 0);
}
long on_vfork(green& g, syscall_frame&) noexcept {
  return spawn(g, CLONE_VM | CLONE_VFORK);
}

/// Whether the file can be executed, as far as that can be told beforehand.
bool may_become(const syscall_frame& f) noexcept {
  constexpr int only_check = 0x10000; // AT_EXECVE_CHECK, Linux 6.14
  const bool at = f.rax == SYS_execveat;
  const long directory = at ? static_cast<long>(f.rdi) : AT_FDCWD;
  const std::uint64_t path = at ? f.rsi : f.rdi;
  const int flags = at ? number(f.r8) : 0;
  const long checked = raw_syscall(SYS_execveat, directory, path, at ? f.rdx : f.rsi,
                                   at ? f.r10 : f.rdx, flags | only_check);
  if (checked != -EINVAL) return checked == 0;
  constexpr long nr_faccessat2 = 439;
  return raw_syscall(nr_faccessat2, directory, path, X_OK, flags | AT_EACCESS) == 0;
}

/// Becomes another program, or stays this one with an error.
long on_execve(green& g, syscall_frame& f) noexcept {
  // Threads end by it, and with them their ownership of robust mutexes. There is no way back. As in
  // the kernel the caller's own stay locked: it has another tid by then.
  if (has_robust_mutexes() && may_become(f)) walk_all_robust_lists(&g);
  before_exec(g);
  const long result = raw_syscall(static_cast<long>(f.rax), f.rdi, f.rsi, f.rdx, f.r10, f.r8);
  after_failed_exec(g);
  return result;
}

long on_exit_group(green&, syscall_frame&) noexcept {
  before_exit();
  return pass_to_kernel;
}

/// A fiber's wait for a child, which in the kernel would hold its hub up: for one child's end by a
/// pidfd, else it looks from time to time. 0: look again; or a restart code.
long wait_as_fiber(green& g, pid_t pid, int options, core::nanoseconds& pause) noexcept {
  constexpr core::nanoseconds at_first = 500'000;
  constexpr core::nanoseconds at_most = 16'000'000;
  const bool only_end = pid > 0 && !(options & (WUNTRACED | WCONTINUED));
  const long pidfd = only_end ? raw_syscall(SYS_pidfd_open, pid, 0) : -ECHILD;
  if (!is_error(pidfd)) {
    const int own = move_out_of_sight(pidfd);
    const io_wait why = wait_for_io(g, own, core::io_in, core::never, park_reason::poll, true);
    the_machine().reactor.forget(own, 0);
    close_own(own);
    return why == io_wait::signal ? restart_if_allowed : 0;
  }
  pause = pause == 0 ? at_first : pause * 2 < at_most ? pause * 2 : at_most;
  prepare_park(g);
  const wakeup why = park(g, core::monotonic_now() + pause, park_reason::poll, true);
  return why == wakeup::signal ? restart_if_allowed : 0;
}

/// What has happened already is told at once; else the kernel is to wait, which knows all about
/// children: stopped ones, groups, tracees, those of whose making weft knows nothing.
long on_wait4(green& g, syscall_frame& f) noexcept {
  if (!(the_machine().families & WEFT_FAMILY_SUBPROCESS)) return pass_to_kernel;
  for (core::nanoseconds pause = 0;;) {
    const long result = raw_syscall(SYS_wait4, f.rdi, f.rsi, number(f.rdx) | WNOHANG, f.r10);
    if (result != 0 || (number(f.rdx) & WNOHANG)) return result;
    if (!g.fiber) return wait_in_kernel;
    if (const long ended = wait_as_fiber(g, number(f.rdi), number(f.rdx), pause)) return ended;
  }
}

long on_waitid(green& g, syscall_frame& f) noexcept {
  if (number(f.r10) & WNOHANG) return pass_to_kernel;
  if (!(the_machine().families & WEFT_FAMILY_SUBPROCESS)) return pass_to_kernel;
  for (core::nanoseconds pause = 0;;) {
    siginfo_t info{};
    const long result =
        raw_syscall(SYS_waitid, f.rdi, f.rsi, &info, number(f.r10) | WNOHANG | WNOWAIT, nullptr);
    if (result != 0 || info.si_pid != 0) return pass_to_kernel;
    if (!g.fiber) return wait_in_kernel;
    const pid_t pid = f.rdi == P_PID ? number(f.rsi) : 0;
    if (const long ended = wait_as_fiber(g, pid, number(f.r10), pause)) return ended;
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

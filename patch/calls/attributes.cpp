// SPDX-License-Identifier: BSL-1.0
//
// What the kernel keeps for each of its threads: credentials, namespaces, filters, scheduling. A
// thread that changes such a thing gets a kernel thread of its own first.
#include "patch/calls/attributes.hpp"

#include <errno.h>
#include <linux/io_uring.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "patch/calls/libcs_own.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/bound_thread.hpp"
#include "patch/kernel/seccomp_filter.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

long on_attribute(green& g, syscall_frame&) noexcept {
  const long failed = bind_thread(g);
  return failed ? failed : pass_to_kernel;
}

long on_seccomp(green& g, syscall_frame& f) noexcept {
  if (number(f.rdi) == SECCOMP_SET_MODE_FILTER) prepare_for_filter(pointer<sock_fprog>(f.rdx));
  return on_attribute(g, f);
}

/// What only a process with one thread may do: weft owns none meanwhile.
long on_unshare(green& g, syscall_frame&) noexcept {
  machine& m = the_machine();
  if (m.now == phase::single)
    m.monitor.stop();
  else if (const long failed = bind_thread(g))
    return failed;
  return pass_to_kernel;
}

long on_credentials(green& g, syscall_frame& f) noexcept {
  // libc's setuid() and its kin are the whole process's, the bare calls are the thread's.
  if (!is_libcs_own(f)) return on_attribute(g, f);
  return change_credentials(g, f);
}

long on_ring_setup(green& g, syscall_frame& f) noexcept {
  io_uring_params parameters;
  if (get_user(parameters, pointer<io_uring_params>(f.rsi)) &&
      (parameters.flags & IORING_SETUP_SINGLE_ISSUER))
    if (const long failed = bind_thread(g)) return failed;
  return pass_to_kernel;
}

constexpr call_entry entries[] = {
    {SYS_setuid, virtual_when::always, on_credentials},
    {SYS_setgid, virtual_when::always, on_credentials},
    {SYS_setreuid, virtual_when::always, on_credentials},
    {SYS_setregid, virtual_when::always, on_credentials},
    {SYS_setresuid, virtual_when::always, on_credentials},
    {SYS_setresgid, virtual_when::always, on_credentials},
    {SYS_setgroups, virtual_when::always, on_credentials},
    {SYS_setfsuid, virtual_when::active, on_attribute},
    {SYS_setfsgid, virtual_when::active, on_attribute},
    {SYS_capset, virtual_when::active, on_attribute},
    {SYS_setns, virtual_when::always, on_unshare},
    {SYS_unshare, virtual_when::always, on_unshare},
    {SYS_seccomp, virtual_when::always, on_seccomp},
    {SYS_landlock_restrict_self, virtual_when::active, on_attribute},
    {SYS_ptrace, virtual_when::active, on_attribute},
    {SYS_set_mempolicy, virtual_when::active, on_attribute},
    {SYS_ioprio_set, virtual_when::active, on_attribute},
    {SYS_io_uring_setup, virtual_when::active, on_ring_setup},
};

} // namespace

void before_prctl(const syscall_frame& f) noexcept {
  if (number(f.rdi) == PR_SET_SECCOMP && f.rsi == SECCOMP_MODE_FILTER)
    prepare_for_filter(pointer<sock_fprog>(f.rdx));
}

bool changes_kernel_thread(int option) noexcept {
  switch (option) {
  case PR_SET_SECCOMP:
  case PR_SET_NO_NEW_PRIVS:
  case PR_SET_SECUREBITS:
  case PR_SET_KEEPCAPS:
  case PR_CAPBSET_DROP:
  case PR_CAP_AMBIENT:
  case PR_SET_TIMERSLACK:
  case PR_SET_PDEATHSIG:
  case PR_SET_SPECULATION_CTRL:
  case PR_SET_TSC:
  case PR_SET_SYSCALL_USER_DISPATCH:
    return true;
  default:
    return false;
  }
}

const call_family attribute_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

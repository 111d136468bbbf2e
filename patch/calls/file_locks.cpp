// SPDX-License-Identifier: BSL-1.0
//
// Locks of files. Only the kernel can wait for one, in a kernel thread; but it tells whether a call
// would have to, and then the others need not first be found to stand still.
#include "patch/calls/file_locks.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "patch/calls/table.hpp"
#include "patch/kernel/native.hpp"

namespace weft::patch {
namespace {

/// What becomes of a call that was tried without waiting.
long wait_if_refused(const green& g, long result) noexcept {
  if (result != -EAGAIN && result != -EACCES) return result;
  return g.fiber ? pass_to_kernel : wait_in_kernel;
}

// To try may take long as well where the file lies on another machine: hence native_call.
long on_flock(green& g, syscall_frame& f) noexcept {
  if (f.rsi & (LOCK_NB | LOCK_UN)) return pass_to_kernel;
  return wait_if_refused(g, native_call(g, SYS_flock, f.rdi, f.rsi | LOCK_NB));
}

constexpr call_entry entries[] = {
    {SYS_flock, virtual_when::active, on_flock},
};

} // namespace

long wait_for_record_lock(green& g, const syscall_frame& f) noexcept {
  const int at_once = number(f.rsi) == F_SETLKW ? F_SETLK : F_OFD_SETLK;
  return wait_if_refused(g, native_call(g, SYS_fcntl, f.rdi, at_once, f.rdx));
}

const call_family file_lock_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

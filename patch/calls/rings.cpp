// SPDX-License-Identifier: BSL-1.0
//
// Waiting in an io_uring of the program's.
#include <linux/io_uring.h>
#include <sys/syscall.h>

#include "patch/calls/table.hpp"
#include "patch/kernel/native.hpp"

namespace weft::patch {
namespace {

/// What has submitted something tells only of that when a signal ends its wait, which would not go
/// on after one of weft's own. So the wait is a call of its own.
long on_io_uring_enter(green& g, syscall_frame& f) noexcept {
  const auto flags = static_cast<unsigned>(f.r10);
  const bool waits = (flags & IORING_ENTER_GETEVENTS) && static_cast<unsigned>(f.rdx) > 0;
  const auto wanted = static_cast<unsigned>(f.rsi);
  if (!waits || wanted == 0) return pass_to_kernel;
  constexpr unsigned of_the_wait = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
  const long submitted =
      native_call(g, SYS_io_uring_enter, f.rdi, wanted, 0, flags & ~of_the_wait, 0, 0);
  if (submitted != static_cast<long>(wanted)) return submitted;
  native_call(g, SYS_io_uring_enter, f.rdi, 0, f.rdx, f.r10, f.r8, f.r9);
  return submitted; // whatever became of the wait
}

constexpr call_entry entries[] = {
    {SYS_io_uring_enter, virtual_when::active, on_io_uring_enter},
};

} // namespace

const call_family ring_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

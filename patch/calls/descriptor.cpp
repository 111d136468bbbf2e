// SPDX-License-Identifier: BSL-1.0
//
// The life of descriptors: made, duplicated, changed, closed.
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "patch/calls/descriptors.hpp"
#include "patch/calls/file_locks.hpp"
#include "patch/calls/loading.hpp"
#include "patch/calls/table.hpp"
#include "patch/calls/thread_name.hpp"
#include "patch/kernel/native.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// The call as the program made it.
long kernel_call(const syscall_frame& f) noexcept {
  return raw_syscall(static_cast<long>(f.rax), f.rdi, f.rsi, f.rdx, f.r10, f.r8, f.r9);
}

/// A call that returns a new descriptor and does not wait.
long on_making_one(green&, syscall_frame& f) noexcept {
  const long fd = kernel_call(f);
  if (!is_error(fd)) just_made(static_cast<int>(fd));
  return fd;
}

long on_socket(green&, syscall_frame& f) noexcept {
  const long fd = kernel_call(f);
  if (!is_error(fd)) socket_just_made(static_cast<int>(fd), number(f.rsi));
  return fd;
}

long on_signalfd(green& g, syscall_frame& f) noexcept {
  the_machine().signals.has_descriptor = true;
  return number(f.rdi) < 0 ? on_making_one(g, f) : pass_to_kernel; // another set for one there is
}

long on_open(green& g, syscall_frame& f) noexcept {
  const bool at = f.rax == SYS_openat;
  if (const green* named = thread_named_by(pointer<const char>(at ? f.rsi : f.rdi)))
    return open_name(*named, number(at ? f.rdx : f.rsi));
  // A FIFO waits for its other end, and a file may be far away.
  const long fd = native_call(g, f);
  if (!is_error(fd)) just_made(static_cast<int>(fd));
  return fd;
}

long made_two(const syscall_frame& f, const int* where) noexcept {
  const long result = kernel_call(f);
  int pair[2];
  if (result == 0 && copy_from_user(pair, where, sizeof pair)) {
    just_made(pair[0]);
    just_made(pair[1]);
  }
  return result;
}
long on_pipe(green&, syscall_frame& f) noexcept {
  return made_two(f, pointer<int>(f.rdi));
}
long on_socketpair(green&, syscall_frame& f) noexcept {
  return made_two(f, pointer<int>(f.r10));
}

long on_close(green&, syscall_frame& f) noexcept {
  const int fd = number(f.rdi);
  if (is_own_descriptor(fd)) return -EBADF;
  library_file_closed(fd);
  const bool at_once = closes_at_once(fd);
  before_close(fd);
  // What is waited for is closed before anybody else can begin a call on it. What may take its time
  // (a file's flush, SO_LINGER) is the kernel's own to wait for.
  return at_once ? raw_syscall(SYS_close, fd) : pass_to_kernel;
}

long on_dup2(green&, syscall_frame& f) noexcept {
  const int from = number(f.rdi);
  const int to = number(f.rsi);
  if (is_own_descriptor(from)) return -EBADF;
  if (is_own_descriptor(to)) return -EBUSY; // dup2's own error for a race with open
  // An invalid source leaves the target as it is.
  if (from != to && !is_error(raw_syscall(SYS_fcntl, from, F_GETFD))) before_close(to);
  return kernel_call(f);
}

/// Closes all in [first, last], but not what is weft's.
long on_close_range(green&, syscall_frame& f) noexcept {
  auto first = static_cast<unsigned>(f.rdi);
  const auto last = static_cast<unsigned>(f.rsi);
  const auto flags = static_cast<unsigned>(f.rdx);
  if (first > last || (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))) return -EINVAL;
  if (flags & CLOSE_RANGE_CLOEXEC) return pass_to_kernel; // weft's have that already
  rlimit limit{};
  raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  // Beyond the books' capacity nothing is known that could be forgotten.
  std::uint64_t end = limit.rlim_cur < last ? limit.rlim_cur : std::uint64_t{last} + 1;
  if (end > core::sparse_table<core::descriptor>::capacity)
    end = core::sparse_table<core::descriptor>::capacity;
  for (std::uint64_t fd = first; fd < end; ++fd)
    if (!is_own_descriptor(static_cast<int>(fd))) before_close(static_cast<int>(fd));
  for (;;) {
    const int own = next_own_descriptor(first, last);
    if (own < 0) return raw_syscall(SYS_close_range, first, last, flags);
    const auto at = static_cast<unsigned>(own);
    if (at > first) {
      if (const long result = raw_syscall(SYS_close_range, first, at - 1, flags)) return result;
    }
    if (at == last) return 0;
    first = at + 1;
  }
}

/// Makes it known after the change: a look in between would find the old state.
long changing_options(const syscall_frame& f) noexcept {
  const long result = kernel_call(f);
  options_changed();
  return result;
}

long on_fcntl(green& g, syscall_frame& f) noexcept {
  switch (number(f.rsi)) {
  case F_SETLKW:
  case F_OFD_SETLKW:
    return wait_for_record_lock(g, f);
  case F_SETFL:
    return changing_options(f);
  case F_DUPFD:
  case F_DUPFD_CLOEXEC: {
    const long fd = kernel_call(f);
    if (!is_error(fd)) just_made(static_cast<int>(fd));
    return fd;
  }
  default:
    return pass_to_kernel;
  }
}

long on_ioctl(green&, syscall_frame& f) noexcept {
  return f.rsi == FIONBIO ? changing_options(f) : pass_to_kernel;
}

long on_setsockopt(green&, syscall_frame& f) noexcept {
  const int option = number(f.rdx);
  const bool is_timeout = option == SO_RCVTIMEO || option == SO_SNDTIMEO;
  if (number(f.rsi) == SOL_SOCKET && option == SO_RCVLOWAT) low_water_used();
  if (number(f.rsi) == SOL_SOCKET && option == SO_LINGER) linger_used();
  return number(f.rsi) == SOL_SOCKET && is_timeout ? changing_options(f) : pass_to_kernel;
}

constexpr call_entry entries[] = {
    {SYS_socket, virtual_when::active, on_socket},
    {SYS_dup, virtual_when::active, on_making_one},
    {SYS_eventfd2, virtual_when::active, on_making_one},
    {SYS_timerfd_create, virtual_when::active, on_making_one},
    {SYS_epoll_create1, virtual_when::active, on_making_one},
    {SYS_inotify_init1, virtual_when::active, on_making_one},
    {SYS_pidfd_open, virtual_when::active, on_making_one},
    {SYS_signalfd, virtual_when::always, on_signalfd},
    {SYS_signalfd4, virtual_when::always, on_signalfd},
    {SYS_open, virtual_when::active, on_open},
    {SYS_openat, virtual_when::active, on_open},
    {SYS_pipe, virtual_when::active, on_pipe},
    {SYS_pipe2, virtual_when::active, on_pipe},
    {SYS_socketpair, virtual_when::active, on_socketpair},
    {SYS_close, virtual_when::always, on_close},
    {SYS_dup2, virtual_when::always, on_dup2},
    {SYS_dup3, virtual_when::always, on_dup2},
    {SYS_close_range, virtual_when::always, on_close_range},
    {SYS_fcntl, virtual_when::active, on_fcntl},
    {SYS_ioctl, virtual_when::active, on_ioctl},
    {SYS_setsockopt, virtual_when::always, on_setsockopt},
};

} // namespace

const call_family descriptor_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

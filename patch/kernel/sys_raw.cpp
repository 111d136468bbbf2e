// SPDX-License-Identifier: BSL-1.0
//
// runtime/core's way to the kernel, as the patch goes it.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/signals.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "runtime/core/sys.hpp"

namespace weft::core::sys {

using patch::raw_syscall;

long map(void* hint, std::size_t size, int protection, int flags) noexcept {
  return raw_syscall(SYS_mmap, hint, size, protection, flags, -1, 0);
}
long unmap(void* at, std::size_t size) noexcept {
  return raw_syscall(SYS_munmap, at, size);
}
long protect(void* at, std::size_t size, int protection) noexcept {
  return raw_syscall(SYS_mprotect, at, size, protection);
}
long advise(void* at, std::size_t size, int advice) noexcept {
  return raw_syscall(SYS_madvise, at, size, advice);
}

// One by one: a filter that the program installed may end it for a call that few programs make.
long advise_all(const iovec*, std::size_t, int) noexcept {
  return -ENOSYS;
}

int epoll_create() noexcept {
  const long fd = raw_syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
  return fd < 0 ? static_cast<int>(fd) : patch::move_out_of_sight(fd);
}

int epoll_control(int epoll, int operation, int fd, epoll_event* event) noexcept {
  return static_cast<int>(raw_syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

int epoll_wait(int epoll, epoll_event* events, int capacity, nanoseconds deadline) noexcept {
  if (deadline == 0) {
    return static_cast<int>(raw_syscall(SYS_epoll_pwait, epoll, events, capacity, 0, nullptr, 8));
  }
  if (deadline == never) {
    return static_cast<int>(raw_syscall(SYS_epoll_pwait, epoll, events, capacity, -1, nullptr, 8));
  }
  nanoseconds left = deadline - monotonic_now();
  if (left < 0) left = 0;
  const timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
  const long n = raw_syscall(SYS_epoll_pwait2, epoll, events, capacity, &timeout, nullptr, 8);
  if (n != -ENOSYS) return static_cast<int>(n);
  // Before Linux 5.11. Rounded up: a timer must not find itself early again and again.
  const nanoseconds milliseconds = (left + 999'999) / 1'000'000;
  const int bounded = milliseconds > 1 << 30 ? 1 << 30 : static_cast<int>(milliseconds);
  return static_cast<int>(
      raw_syscall(SYS_epoll_pwait, epoll, events, capacity, bounded, nullptr, 8));
}

int event_create() noexcept {
  const long fd = raw_syscall(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? static_cast<int>(fd) : patch::move_out_of_sight(fd);
}
void event_signal(int event) noexcept {
  const std::uint64_t one = 1;
  raw_syscall(SYS_write, event, &one, sizeof one);
}
void event_clear(int event) noexcept {
  std::uint64_t count;
  raw_syscall(SYS_read, event, &count, sizeof count);
}

int close(int fd) noexcept {
  patch::close_own(fd);
  return 0;
}

bool is_tcp_stream(int fd) noexcept {
  int protocol = 0;
  unsigned length = sizeof protocol;
  return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
         protocol == IPPROTO_TCP;
}

void fatal(const char* text) noexcept {
  raw_syscall(SYS_write, 2, text, __builtin_strlen(text));
  patch::take_default_action(SIGABRT);
  for (;;)
    raw_syscall(SYS_exit_group, 134);
}

} // namespace weft::core::sys

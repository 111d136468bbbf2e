// SPDX-License-Identifier: BSL-1.0
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "runtime/core/sys.hpp"

namespace weft::core::sys {
namespace {

/// Callers run between a fiber's system call and the moment it reads errno.
class errno_kept {
 public:
  errno_kept() noexcept : value_(errno) {}
  errno_kept(const errno_kept&) = delete;
  errno_kept& operator=(const errno_kept&) = delete;
  ~errno_kept() { errno = value_; }

 private:
  int value_;
};

template <class Result>
Result or_negative_errno(Result result) noexcept {
  return result < 0 ? static_cast<Result>(-errno) : result;
}

constinit std::atomic<bool> lacks_pwait2 = false; // Linux before 5.11, and some containers' filters

int wait_in_milliseconds(int epoll, epoll_event* events, int capacity, nanoseconds span) noexcept {
  constexpr nanoseconds millisecond = 1'000'000;
  // A day at most: the caller looks at the clock again anyway, and int would overflow.
  constexpr nanoseconds longest = 86'400'000;
  int milliseconds = -1;
  if (span != never) {
    const nanoseconds rounded = span / millisecond + (span % millisecond != 0);
    milliseconds = static_cast<int>(rounded < longest ? rounded : longest);
  }
  return or_negative_errno(::epoll_wait(epoll, events, capacity, milliseconds));
}

} // namespace

long map(void* hint, std::size_t size, int protection, int flags) noexcept {
  const errno_kept keep;
  void* at = ::mmap(hint, size, protection, flags, -1, 0);
  return at == MAP_FAILED ? -errno : reinterpret_cast<long>(at);
}

long unmap(void* at, std::size_t size) noexcept {
  const errno_kept keep;
  return or_negative_errno(::munmap(at, size));
}

long protect(void* at, std::size_t size, int protection) noexcept {
  const errno_kept keep;
  return or_negative_errno(::mprotect(at, size, protection));
}

long advise(void* at, std::size_t size, int advice) noexcept {
  const errno_kept keep;
  return or_negative_errno(::madvise(at, size, advice));
}

long advise_all(const iovec* ranges, std::size_t count, int advice) noexcept {
  const errno_kept keep;
  return or_negative_errno(::syscall(SYS_process_madvise, own_process, ranges, count, advice, 0));
}

int epoll_create() noexcept {
  const errno_kept keep;
  return or_negative_errno(::epoll_create1(EPOLL_CLOEXEC));
}

int epoll_control(int epoll, int operation, int fd, epoll_event* event) noexcept {
  const errno_kept keep;
  return or_negative_errno(::epoll_ctl(epoll, operation, fd, event));
}

int epoll_wait(int epoll, epoll_event* events, int capacity, nanoseconds deadline) noexcept {
  const errno_kept keep;
  nanoseconds span = deadline;
  if (deadline != 0 && deadline != never) {
    span = deadline - monotonic_now();
    if (span < 0) span = 0;
  }
  if (span == 0) return or_negative_errno(::epoll_wait(epoll, events, capacity, 0));
  if (!lacks_pwait2.load(std::memory_order_relaxed)) {
    const timespec time{.tv_sec = span / 1'000'000'000, .tv_nsec = span % 1'000'000'000};
    const int count =
        ::epoll_pwait2(epoll, events, capacity, span == never ? nullptr : &time, nullptr);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return or_negative_errno(count);
    lacks_pwait2.store(true, std::memory_order_relaxed);
  }
  return wait_in_milliseconds(epoll, events, capacity, span);
}

int event_create() noexcept {
  const errno_kept keep;
  return or_negative_errno(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void event_signal(int event) noexcept {
  const errno_kept keep;
  const std::uint64_t one = 1;
  // Fails only when the count is full, and then the event is signalled already.
  [[maybe_unused]] const auto done = ::write(event, &one, sizeof one);
}

void event_clear(int event) noexcept {
  const errno_kept keep;
  std::uint64_t count;
  [[maybe_unused]] const auto done = ::read(event, &count, sizeof count);
}

int close(int fd) noexcept {
  const errno_kept keep;
  return or_negative_errno(::close(fd));
}

bool is_tcp_stream(int fd) noexcept {
  const errno_kept keep;
  int protocol = 0;
  int domain = 0;
  socklen_t size = sizeof protocol;
  if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != IPPROTO_TCP)
    return false;
  // The domain as well: netlink numbers its protocols differently.
  size = sizeof domain;
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
         (domain == AF_INET || domain == AF_INET6);
}

void fatal(const char* text) noexcept {
  [[maybe_unused]] const auto done = ::write(STDERR_FILENO, text, std::strlen(text));
  std::abort();
}

} // namespace weft::core::sys

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/core/clock.hpp"

struct epoll_event;
struct iovec;

/// The one narrow way in which runtime/core reaches the kernel. It has two
/// implementations, chosen at link time: libweft's (sys_libc.cpp) calls libc, so
/// that a hub inside a green thread parks like any other caller; the patch's makes
/// raw system calls, since libc's are the ones that it answers itself.
/// Every function returns the kernel's result, or -errno; none touches errno,
/// none allocates, none throws.
namespace weft::core::sys {

/// PIDFD_SELF, newer than glibc 2.36's headers.
inline constexpr int own_process = -10000;

[[nodiscard]] long map(void* hint, std::size_t size, int protection, int flags) noexcept;
long unmap(void* at, std::size_t size) noexcept;
long protect(void* at, std::size_t size, int protection) noexcept;
long advise(void* at, std::size_t size, int advice) noexcept;
/// The same of several ranges by one call (process_madvise of oneself, Linux 6.15): how many bytes
/// were reached, of the first ones.
long advise_all(const iovec* ranges, std::size_t count, int advice) noexcept;

/// A close-on-exec epoll instance. The patch's puts it at a high number.
[[nodiscard]] int epoll_create() noexcept;
int epoll_control(int epoll, int operation, int fd, epoll_event* event) noexcept;

/// Waits until `deadline` (0: does not wait). -EINTR when a signal came.
int epoll_wait(int epoll, epoll_event* events, int capacity, nanoseconds deadline) noexcept;

/// A close-on-exec, non-blocking eventfd with count 0. The patch's is at a high number.
[[nodiscard]] int event_create() noexcept;
/// Adds one; async-signal-safe, never blocks.
void event_signal(int event) noexcept;
/// Takes the count back to zero.
void event_clear(int event) noexcept;

int close(int fd) noexcept;
/// SO_TYPE is SOCK_STREAM and SO_DOMAIN AF_INET or AF_INET6 with TCP.
[[nodiscard]] bool is_tcp_stream(int fd) noexcept;

/// Prints `text` to standard error in one write and ends the process by SIGABRT.
[[noreturn]] void fatal(const char* text) noexcept;

} // namespace weft::core::sys

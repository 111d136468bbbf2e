// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>

#include "weft/deadline.hpp"

/// The cooperative form of the POSIX calls: same arguments, results and errno, but where the
/// POSIX call would block its thread, these park the calling fiber and let others run.
///
/// Each takes a deadline besides; when it comes first the result is -1 and errno is ETIMEDOUT
/// (`poll`, `select` and `epoll_wait` give 0, as they do for their own time-out). A deadline that
/// is past already still lets the call do what it can without waiting.
///
/// - Every call but `close` and `refresh` is a switch point: a fiber that was cancelled gets
///   weft::cancelled thrown here. What was transferred before stays transferred.
/// - O_NONBLOCK, SO_RCVTIMEO and SO_SNDTIMEO as set on the descriptor are honoured: with
///   O_NONBLOCK the call returns EAGAIN instead of parking, and the time-outs give EAGAIN. They
///   are looked at when a call would first wait on the descriptor, and remembered: call
///   `refresh` after changing them later. weft itself never changes O_NONBLOCK, which belongs to
///   the open file and hence to other processes, too.
/// - A blocking write or send of a stream transfers everything, parking as often as it must.
/// - Any thread may call these. On a thread without a hub the call just blocks.
/// - Close descriptors by weft::io::close: the hubs' records of the number go with it. After a
///   plain ::close the next file under the number may be taken for the old one: settings that
///   were remembered apply to it, and who waits on it is noticed only after half a second.
/// - Regular files are always ready. What is not in the page cache is read on another thread, and
///   the disk is written to there; that is not interrupted once it has begun (see file.hpp).
///
/// Example:
///
///     char buffer[4096];
///     while (ssize_t n = weft::io::read(fd, buffer, sizeof buffer, 30s)) {
///       if (n < 0) return;  // ETIMEDOUT after 30 s of silence
///       weft::io::write(fd, buffer, n);
///     }
namespace [[gnu::visibility("default")]] weft {
namespace io {

ssize_t read(int fd, void* buffer, std::size_t size, deadline until = {});
ssize_t readv(int fd, const iovec* parts, int count, deadline until = {});
ssize_t write(int fd, const void* data, std::size_t size, deadline until = {});
ssize_t writev(int fd, const iovec* parts, int count, deadline until = {});

ssize_t recv(int fd, void* buffer, std::size_t size, int flags, deadline until = {});
ssize_t recvfrom(int fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                 socklen_t* from_size, deadline until = {});
ssize_t recvmsg(int fd, msghdr* message, int flags, deadline until = {});
ssize_t send(int fd, const void* data, std::size_t size, int flags, deadline until = {});
ssize_t sendto(int fd, const void* data, std::size_t size, int flags, const sockaddr* to,
               socklen_t to_size, deadline until = {});
ssize_t sendmsg(int fd, const msghdr* message, int flags, deadline until = {});

int accept(int fd, sockaddr* from, socklen_t* from_size, deadline until = {});
/// Connections that several fibers, hubs or processes wait for go to whoever is first; the
/// others wait on. Only against another process can a call that lost block the thread.
int accept4(int fd, sockaddr* from, socklen_t* from_size, int flags, deadline until = {});
/// A connection attempt that is cancelled or not done by the deadline is given up.
int connect(int fd, const sockaddr* to, socklen_t to_size, deadline until = {});

int poll(pollfd* descriptors, nfds_t count, int milliseconds);
int poll(pollfd* descriptors, nfds_t count, deadline until);
/// As Linux does it, `timeout` is left with what remained of it.
int select(int count, fd_set* to_read, fd_set* to_write, fd_set* exceptional, timeval* timeout);
int select(int count, fd_set* to_read, fd_set* to_write, fd_set* exceptional, deadline until);
int epoll_wait(int epoll, epoll_event* events, int capacity, int milliseconds);
int epoll_wait(int epoll, epoll_event* events, int capacity, deadline until);

/// Closes `fd`. Fibers of any hub that wait on it are woken with EBADF (`poll`: POLLNVAL), and
/// none ever receives an event of the file that gets the number next. Never parks, throws
/// nothing.
int close(int fd) noexcept;

/// Looks anew at O_NONBLOCK and the time-outs of `fd` when a call of this hub would next wait.
void refresh(int fd) noexcept;

} // namespace io
} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "patch/kernel/machine.hpp"
#include "runtime/core/clock.hpp"

/// What the calls need to know about a descriptor beyond its readiness. O_NONBLOCK and the
/// time-outs belong to the open file, not to the number and not even to this process: they
/// are looked up when a call would block, and remembered only where that is safe.
namespace weft::patch {

enum class fd_kind : std::uint8_t {
  unknown,
  socket,   // MSG_DONTWAIT
  pipe,     // RWF_NOWAIT
  fifo,     // a pipe with a name, which knows no RWF_NOWAIT
  name,     // a thread's name, see thread_name.hpp
  terminal, // poll first, but for some modes
  pollable, // poll first: eventfds, inotify, ...
  file,     // never waits in our sense: regular files, directories, block devices, /dev/zero
};

/// By fstat, once for each number.
[[nodiscard]] fd_kind kind_of(int fd) noexcept;
/// Whether weft has no business with transfers: files, and what it keeps no books on.
[[nodiscard]] inline bool is_kernels(int fd) noexcept {
  const fd_kind kind = kind_of(fd);
  return kind == fd_kind::file || kind == fd_kind::unknown || kind == fd_kind::name;
}
/// "/proc/self/fd/N".
struct fd_path {
  explicit fd_path(int fd) noexcept;
  char text[sizeof "/proc/self/fd/" + 10] = "/proc/self/fd/";
};

/// A pipe that turned out not to know RWF_NOWAIT.
void set_kind(int fd, fd_kind kind) noexcept;

/// Makes `fd` one of fd_kind::name, and tells whose.
void name_thread_of(int fd, pid_t tid) noexcept;
[[nodiscard]] pid_t thread_of_name(int fd) noexcept;

/// Whether the open file has O_NONBLOCK now.
[[nodiscard]] bool is_nonblocking(int fd) noexcept;
[[nodiscard]] bool is_nonblocking(open_file& file) noexcept;
/// Somebody in this process changed O_NONBLOCK or a time-out of some descriptor: what was
/// remembered about any is looked up again.
void options_changed() noexcept;

/// SO_RCVTIMEO, SO_SNDTIMEO as a span; `never` if there is none.
[[nodiscard]] core::nanoseconds receive_timeout(int fd) noexcept;
[[nodiscard]] core::nanoseconds send_timeout(int fd) noexcept;

/// SO_RCVLOWAT: how many bytes of a stream a read waits for.
[[nodiscard]] std::size_t receive_low_water(int fd) noexcept;
/// Somebody in this process has set it, on whatever socket.
void low_water_used() noexcept;

/// Whether closing `fd`, whose kind is known, takes no time.
[[nodiscard]] bool closes_at_once(int fd) noexcept;
/// Somebody in this process has set SO_LINGER, on whatever socket.
void linger_used() noexcept;

/// To be called before the number is closed or given to another open file. Calls that are
/// under way on it go on with that (open_file).
void before_close(int fd) noexcept;
/// The kernel has just made `fd`: whatever is known about the number is out of date.
void just_made(int fd) noexcept;
/// The same of a socket, made with these of SOCK_NONBLOCK and SOCK_CLOEXEC; its time-outs are those
/// of `listener`, which accepted it, if that is not negative.
void socket_just_made(int fd, int flags, int listener = -1) noexcept;

} // namespace weft::patch

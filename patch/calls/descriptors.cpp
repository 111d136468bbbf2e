// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/descriptors.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "patch/kernel/object_pool.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "runtime/core/sparse_table.hpp"

namespace weft::patch {
namespace {

struct fd_info {
  fd_kind kind = fd_kind::unknown;
  bool nonblocking = false;
  pid_t thread = 0;                 // fd_kind::name
  std::uint32_t flags_as_of = 0;    // value of `changes` when nonblocking was looked up
  std::uint32_t timeouts_as_of = 0; // likewise
  core::nanoseconds receive = core::never;
  core::nanoseconds send = core::never;
};

core::sparse_table<fd_info>& table() noexcept {
  static constinit core::sparse_table<fd_info>* made = nullptr;
  alignas(core::sparse_table<fd_info>) static unsigned char storage[sizeof *made];
  if (!made) made = ::new (storage) core::sparse_table<fd_info>;
  return *made;
}

constinit std::uint32_t changes = 1;

constinit object_pool<kept_open> kept_ones;

kept_open* keep_open(int fd) noexcept {
  const long copy = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
  if (is_error(copy)) return nullptr;
  kept_open* kept = kept_ones.make();
  if (!kept) {
    raw_syscall(SYS_close, copy);
    return nullptr;
  }
  kept->descriptor = move_out_of_sight(copy);
  kept->users = 0;
  just_made(kept->descriptor);
  return kept;
}

fd_kind look_up_kind(int fd) noexcept {
  struct stat s;
  if (raw_syscall(SYS_fstat, fd, &s) != 0) return fd_kind::unknown;
  switch (s.st_mode & S_IFMT) {
  case S_IFSOCK:
    return fd_kind::socket;
  case S_IFIFO:
    return fd_kind::pipe;
  case S_IFCHR:
  case 0:
    return fd_kind::pollable; // 0: eventfd and its kin
  default:
    return fd_kind::file;
  }
}

core::nanoseconds look_up_timeout(int fd, int option) noexcept {
  timeval t{};
  unsigned length = sizeof t;
  if (raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &t, &length) != 0) return core::never;
  const core::nanoseconds span = t.tv_sec * 1'000'000'000 + t.tv_usec * 1000;
  return span == 0 ? core::never : span;
}

const fd_info* with_timeouts(int fd) noexcept {
  fd_info* info = table().touch(fd);
  if (info && info->timeouts_as_of != changes) {
    info->receive = look_up_timeout(fd, SO_RCVTIMEO);
    info->send = look_up_timeout(fd, SO_SNDTIMEO);
    info->timeouts_as_of = changes;
  }
  return info;
}

} // namespace

fd_kind kind_of(int fd) noexcept {
  fd_info* info = table().touch(fd);
  if (!info) return fd_kind::file; // beyond what we keep books on: the kernel's
  if (info->kind == fd_kind::unknown) info->kind = look_up_kind(fd);
  return info->kind;
}

void set_kind(int fd, fd_kind kind) noexcept {
  if (fd_info* info = table().touch(fd)) info->kind = kind;
}

void name_thread_of(int fd, pid_t tid) noexcept {
  if (fd_info* info = table().touch(fd)) {
    info->kind = fd_kind::name;
    info->thread = tid;
  }
}

pid_t thread_of_name(int fd) noexcept {
  const fd_info* info = table().find(fd);
  return info ? info->thread : 0;
}

bool is_nonblocking(int fd) noexcept {
  fd_info* info = table().touch(fd);
  // Another process may change the flag of a terminal or a pipe that we share, and does;
  // of a socket that it got from us, it hardly does.
  if (info && info->flags_as_of == changes && kind_of(fd) == fd_kind::socket)
    return info->nonblocking;
  const long flags = raw_syscall(SYS_fcntl, fd, F_GETFL);
  const bool nonblocking = !is_error(flags) && (flags & O_NONBLOCK);
  if (info) {
    info->nonblocking = nonblocking;
    info->flags_as_of = changes;
  }
  return nonblocking;
}

void options_changed() noexcept {
  ++changes;
}

core::nanoseconds receive_timeout(int fd) noexcept {
  const fd_info* info = with_timeouts(fd);
  return info ? info->receive : core::never;
}

core::nanoseconds send_timeout(int fd) noexcept {
  const fd_info* info = with_timeouts(fd);
  return info ? info->send : core::never;
}

void before_close(int fd) noexcept {
  kept_open* kept = nullptr;
  the_machine().reactor.for_each_waiter(fd, [&](core::io_waiter& w) {
    green& waiting = *static_cast<green*>(w.owner);
    if (waiting.reason != park_reason::io) return;
    if (!kept) kept = keep_open(fd);
    if (!kept) return;
    ++kept->users;
    waiting.kept = kept;
  });
  the_machine().reactor.forget(fd, 0);
  if (fd_info* info = table().find(fd)) *info = fd_info{};
}

void release_kept(green& g) noexcept {
  kept_open* kept = g.kept;
  g.kept = nullptr;
  if (--kept->users != 0) return;
  before_close(kept->descriptor);
  close_own(kept->descriptor);
  kept_ones.destroy(kept);
}

void just_made(int fd) noexcept {
  the_machine().reactor.renew(fd);
  if (fd_info* info = table().find(fd)) *info = fd_info{};
}

} // namespace weft::patch

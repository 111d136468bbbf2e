// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/descriptors.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "patch/kernel/spin_lock.hpp"
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
constinit bool low_water = false;
constinit bool linger = false;

/// /dev/null, zero, random, ...: none waits for anybody.
constexpr unsigned memory_devices = 1;

fd_kind look_up_kind(int fd) noexcept {
  struct stat s;
  if (raw_syscall(SYS_fstat, fd, &s) != 0) return fd_kind::unknown;
  switch (s.st_mode & S_IFMT) {
  case S_IFSOCK:
    return fd_kind::socket;
  case S_IFIFO:
    return fd_kind::pipe;
  case S_IFCHR: {
    if (((s.st_rdev >> 8) & 0xfff) == memory_devices) return fd_kind::file;
    unsigned char mode[64]; // the kernel's struct termios has 36
    return raw_syscall(SYS_ioctl, fd, TCGETS, mode) == 0 ? fd_kind::terminal : fd_kind::pollable;
  }
  case 0:
    return fd_kind::pollable; // eventfd and its kin
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

fd_path::fd_path(int fd) noexcept {
  int digits = 1;
  for (int rest = fd; rest >= 10; rest /= 10)
    ++digits;
  char* const end = text + sizeof "/proc/self/fd/" - 1 + digits;
  *end = 0;
  for (int rest = fd, i = 1; i <= digits; ++i, rest /= 10)
    end[-i] = static_cast<char>('0' + rest % 10);
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

bool closes_at_once(int fd) noexcept {
  const fd_info* info = table().find(fd);
  if (!info) return false;
  switch (info->kind) {
  case fd_kind::socket:
    return !linger;
  case fd_kind::pipe:
  case fd_kind::fifo:
  case fd_kind::pollable:
    return true;
  default:
    return false;
  }
}

void linger_used() noexcept {
  linger = true;
}

void low_water_used() noexcept {
  low_water = true;
  ++changes;
}

std::size_t receive_low_water(int fd) noexcept {
  if (!low_water) return 1;
  int least = 1;
  int type = 0;
  unsigned length = sizeof type;
  raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &length);
  if (type != SOCK_STREAM) return 1;
  raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_RCVLOWAT, &least, &length);
  return least > 0 ? static_cast<std::size_t>(least) : 1;
}

core::nanoseconds receive_timeout(int fd) noexcept {
  const fd_info* info = with_timeouts(fd);
  return info ? info->receive : core::never;
}

core::nanoseconds send_timeout(int fd) noexcept {
  const fd_info* info = with_timeouts(fd);
  return info ? info->send : core::never;
}

bool is_nonblocking(open_file& file) noexcept {
  using waiting = open_file::waiting;
  if (file.mode != waiting::unknown) return file.mode == waiting::refused;
  const bool nonblocking = is_nonblocking(file.fd());
  // A socket's call asks once, the others' whenever they are about to wait.
  if (kind_of(file.fd()) == fd_kind::socket)
    file.mode = nonblocking ? waiting::refused : waiting::allowed;
  return nonblocking;
}

namespace {

/// Until no try is on its way to the kernel with a number that is about to be another file's. They
/// do not wait, so it is a matter of microseconds.
void wait_for_users(int fd) noexcept {
  machine& m = the_machine();
  if (!m.lock.is_used()) return;
  while (m.reactor.is_in_use(fd)) {
    m.lock.release();
    let_holder_run();
    m.lock.acquire();
  }
}

} // namespace

void before_close(int fd) noexcept {
  machine& m = the_machine();
  wait_for_users(fd);
  const int kept = m.files.keep(fd);
  if (fd_info* info = table().find(kept)) *info = fd_info{};
  if (fd_info* info = table().find(fd)) *info = fd_info{};
  m.reactor.forget(fd, 0);
}

void just_made(int fd) noexcept {
  the_machine().reactor.renew(fd);
  if (fd_info* info = table().find(fd)) *info = fd_info{};
}

void socket_just_made(int fd, int flags, int listener) noexcept {
  just_made(fd);
  fd_info* info = table().touch(fd);
  if (!info) return;
  info->kind = fd_kind::socket;
  info->nonblocking = flags & SOCK_NONBLOCK;
  info->flags_as_of = changes;
  const fd_info* parent = listener >= 0 ? with_timeouts(listener) : nullptr;
  if (listener >= 0 && !parent) return;
  info->timeouts_as_of = changes;
  if (!parent) return;
  info->receive = parent->receive;
  info->send = parent->send;
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "weft/file.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "runtime/io/attempt.hpp"
#include "runtime/io/offloaded.hpp"
#include "runtime/io/operation.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/threads/offload.hpp"

namespace weft::io {
namespace {

/// Calls `f()`, which owns what it uses and gives a result or negative errno, on another thread.
template <class F>
auto detached(F f, const deadline& until) -> std::optional<std::invoke_result_t<F&>> {
  return detail::call_detached(std::move(f), until.absolute(),
                               detail::blocking_call::io_file_system);
}

/// The same as a POSIX call, where `f` is just called if there is no reason for another thread.
template <class F>
int path_call(F f, const deadline& until) {
  if (!detail::this_hub && until.is_never()) return static_cast<int>(posix_result(f()));
  try {
    const auto result = detached(std::move(f), until);
    return static_cast<int>(posix_result(result ? *result : -ETIMEDOUT));
  } catch (const std::system_error& e) {
    return static_cast<int>(posix_result(-e.code().value()));
  } catch (const task_cancelled&) { // its thread was lost by a fork
    return static_cast<int>(posix_result(-ECANCELED));
  }
}

/// A descriptor that is closed unless somebody takes it.
class opened {
 public:
  explicit opened(ssize_t fd) noexcept : fd_(static_cast<int>(fd)) {}
  opened(opened&& other) noexcept : fd_(std::exchange(other.fd_, -EBADF)) {}
  opened& operator=(opened&&) = delete;
  ~opened() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int take() noexcept { return std::exchange(fd_, -EBADF); }

 private:
  int fd_; // or negative errno
};

} // namespace

int openat(int directory, const char* path, int flags, mode_t mode, deadline until) {
  if (!detail::this_hub && until.is_never()) return ::openat(directory, path, flags, mode);
  auto open_it = [=, name = std::string(path)] {
    return opened(kernel_result(::openat(directory, name.c_str(), flags, mode)));
  };
  int fd = -ETIMEDOUT;
  try {
    if (auto result = detached(std::move(open_it), until)) fd = result->take();
  } catch (const std::system_error& e) {
    fd = -e.code().value();
  } catch (const task_cancelled&) {
    fd = -ECANCELED;
  }
  if (fd >= 0) drop_old_record(fd);
  return static_cast<int>(posix_result(fd));
}

int open(const char* path, int flags, mode_t mode, deadline until) {
  return openat(AT_FDCWD, path, flags, mode, until);
}

namespace {
struct file_status {
  ssize_t result;
  struct ::stat status;
};

int status_of(const char* path, struct ::stat* status, int flags, const deadline& until) {
  if (!detail::this_hub && until.is_never()) return ::fstatat(AT_FDCWD, path, status, flags);
  auto ask = [flags, name = std::string(path)] {
    file_status found{};
    found.result = kernel_result(::fstatat(AT_FDCWD, name.c_str(), &found.status, flags));
    return found;
  };
  ssize_t result = -ETIMEDOUT;
  try {
    if (const auto found = detached(std::move(ask), until)) {
      result = found->result;
      if (result == 0) *status = found->status;
    }
  } catch (const std::system_error& e) {
    result = -e.code().value();
  } catch (const task_cancelled&) {
    result = -ECANCELED;
  }
  return static_cast<int>(posix_result(result));
}
} // namespace

int stat(const char* path, struct ::stat* status, deadline until) {
  return status_of(path, status, 0, until);
}
int lstat(const char* path, struct ::stat* status, deadline until) {
  return status_of(path, status, AT_SYMLINK_NOFOLLOW, until);
}

int unlink(const char* path, deadline until) {
  return path_call([name = std::string(path)] { return kernel_result(::unlink(name.c_str())); },
                   until);
}
int rename(const char* from, const char* to, deadline until) {
  return path_call(
      [old_name = std::string(from), new_name = std::string(to)] {
        return kernel_result(::rename(old_name.c_str(), new_name.c_str()));
      },
      until);
}
int mkdir(const char* path, mode_t mode, deadline until) {
  return path_call(
      [mode, name = std::string(path)] { return kernel_result(::mkdir(name.c_str(), mode)); },
      until);
}
int rmdir(const char* path, deadline until) {
  return path_call([name = std::string(path)] { return kernel_result(::rmdir(name.c_str())); },
                   until);
}

// By descriptor ----------------------------------------------------------

ssize_t pread(int fd, void* buffer, std::size_t size, off_t offset, deadline until) {
  if (!detail::this_hub) return ::pread(fd, buffer, size, offset);
  detail::this_hub->switch_point();
  // What is in the page cache is not worth a thread; a part of it is read again with the rest,
  // since only the end of the file makes a read short.
  const iovec part{buffer, size};
  const ssize_t n = ::preadv2(fd, &part, 1, offset, RWF_NOWAIT);
  if (n >= 0 && static_cast<std::size_t>(n) == size) return n;
  if (n < 0 && errno != EAGAIN && errno != EOPNOTSUPP && errno != ENOSYS) return n;
  return posix_result(
      offloaded([&] { return kernel_result(::pread(fd, buffer, size, offset)); }, until));
}

ssize_t pwrite(int fd, const void* data, std::size_t size, off_t offset, deadline until) {
  return posix_result(
      offloaded([&] { return kernel_result(::pwrite(fd, data, size, offset)); }, until));
}

int fsync(int fd, deadline until) {
  return static_cast<int>(
      posix_result(offloaded([&] { return kernel_result(::fsync(fd)); }, until)));
}
int fdatasync(int fd, deadline until) {
  return static_cast<int>(
      posix_result(offloaded([&] { return kernel_result(::fdatasync(fd)); }, until)));
}
int ftruncate(int fd, off_t size, deadline until) {
  return static_cast<int>(
      posix_result(offloaded([&] { return kernel_result(::ftruncate(fd, size)); }, until)));
}
int fstat(int fd, struct ::stat* status, deadline until) {
  return static_cast<int>(
      posix_result(offloaded([&] { return kernel_result(::fstat(fd, status)); }, until)));
}

} // namespace weft::io

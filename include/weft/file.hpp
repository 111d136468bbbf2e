// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include <weft/deadline.hpp>

/// Files without blocking the hub. The kernel calls a regular file always ready, and lets who reads
/// it wait for the disk: so these run on threads of weft's own pool while the fiber is parked. Same
/// arguments, results and errno as POSIX.
///
/// - A call that takes a descriptor waits for the end of what has begun, whatever is cancelled or
///   expires meanwhile, so that buffer and descriptor are never used after it returned. Its
///   deadline limits the wait for a thread: -1 and ETIMEDOUT when all of the pool's were busy
///   until then, and nothing was done. A cancellation that comes meanwhile is thrown then.
/// - A call that takes a path keeps the deadline (-1 and ETIMEDOUT): what has begun (on a dead
///   network file system, say, or a FIFO that nobody opens) is left to end by itself; what
///   `open` opens then is closed.
/// - All are switch points. On a thread without a hub the plain call is made (`open` and its kin:
///   if there is no deadline).
/// - What stands in the page cache is read without a change of threads.
///
/// weft::io::read and write do the same for regular files. There is no O_NONBLOCK for these.
namespace [[gnu::visibility("default")]] weft {
namespace io {

/// The descriptor is close-on-exec if O_CLOEXEC is among the flags, as with POSIX.
[[nodiscard]] int open(const char* path, int flags, mode_t mode = 0, deadline until = {});
[[nodiscard]] int openat(int directory, const char* path, int flags, mode_t mode = 0,
                         deadline until = {});
int stat(const char* path, struct ::stat* status, deadline until = {});
int lstat(const char* path, struct ::stat* status, deadline until = {});
int unlink(const char* path, deadline until = {});
int rename(const char* from, const char* to, deadline until = {});
int mkdir(const char* path, mode_t mode, deadline until = {});
int rmdir(const char* path, deadline until = {});

ssize_t pread(int fd, void* buffer, std::size_t size, off_t offset, deadline until = {});
ssize_t pwrite(int fd, const void* data, std::size_t size, off_t offset, deadline until = {});
int fsync(int fd, deadline until = {});
int fdatasync(int fd, deadline until = {});
int ftruncate(int fd, off_t size, deadline until = {});
int fstat(int fd, struct ::stat* status, deadline until = {});

} // namespace io

/// All that is in a file. Waits for the end of what has begun, as weft::offload. Throws
/// std::system_error with call and path. Model: Python's Path.read_bytes.
///
///     weft::write_file("greeting.txt", "hello\n");
///     std::string text = weft::read_file("greeting.txt");
[[nodiscard]] std::string read_file(const std::string& path);

struct write_file_options {
  /// Of a file that is made, less the process's umask.
  mode_t mode = 0666;
  /// Add to what is there, instead of replacing it.
  bool append = false;
  /// Return only when it is on the disk (fsync).
  bool sync = false;
};

/// Writes a file, which is made if there is none. Otherwise as read_file. Model: Python's
/// Path.write_bytes.
void write_file(const std::string& path, std::string_view data,
                const write_file_options& options = {});

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/soak/scene.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace {

using namespace soak;

/// One opening of the shared file, which is what such locks belong to.
class opened {
 public:
  explicit opened(const char* path) : fd_(open(path, O_RDWR | O_CLOEXEC)) {
    if (fd_ < 0) fail("open", -errno, 0);
  }
  opened(const opened&) = delete;
  ~opened() { close(fd_); }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

/// What the locks guard: two counters in the file, always the same when nobody writes.
struct counters {
  long first = 0, second = 0;
};
counters load(int fd) {
  counters found;
  expect_equal(pread(fd, &found, sizeof found, 0), sizeof found, "pread");
  return found;
}
void store_part(int fd, long value, bool second) {
  expect_equal(pwrite(fd, &value, sizeof value, second ? sizeof value : 0), sizeof value, "pwrite");
}

/// By flock, or as a lock of the open file over a range. Only the kernel can wait for either.
bool lock(int fd, bool by_flock, bool exclusive, bool wait) {
  int result = 0;
  if (by_flock) {
    const int kind = (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB);
    result = uninterrupted([&] { return flock(fd, kind); });
  } else {
    result = uninterrupted([&] {
      struct flock range {};
      range.l_type = static_cast<short>(exclusive ? F_WRLCK : F_RDLCK);
      range.l_whence = SEEK_SET;
      range.l_len = sizeof(counters);
      return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
    });
  }
  if (result == 0) return true;
  if (wait || (errno != EAGAIN && errno != EACCES)) fail("locking a file", -errno, 0);
  return false;
}
void unlock(int fd, bool by_flock) {
  struct flock range {};
  range.l_type = F_UNLCK;
  range.l_whence = SEEK_SET;
  range.l_len = sizeof(counters);
  expect_equal(by_flock ? flock(fd, LOCK_UN) : fcntl(fd, F_OFD_SETLK, &range), 0,
               "unlocking a file");
}

/// Threads wait in the kernel for a file's lock, some to write and some to read.
void file_locks(chance& c) {
  char path[] = "/tmp/soak-XXXXXX";
  const int made = mkstemp(path);
  if (made < 0) fail("mkstemp", -errno, 0);
  const counters none;
  write_all(made, &none, sizeof none);
  const bool by_flock = c.one_in(2);
  const int threads = c.between(2, c.one_in(10) ? 40 : 10);
  const int turns = c.between(1, 12);
  std::atomic<long> writes{0};
  {
    std::vector<thread> all;
    for (int i = 0; i < threads; ++i)
      all.emplace_back([&, own = c.split()]() mutable {
        const opened file(path);
        for (int n = 0; n < turns; ++n) {
          const bool exclusive = own.one_in(2);
          if (own.one_in(4))
            while (!lock(file.fd(), by_flock, exclusive, false))
              usleep(200);
          else
            lock(file.fd(), by_flock, exclusive, true);
          const counters before = load(file.fd());
          expect_equal(before.first, before.second, "two counters under a file's lock");
          if (exclusive) {
            store_part(file.fd(), before.first + 1, false);
            if (own.one_in(3)) dawdle(own);
            store_part(file.fd(), before.second + 1, true);
            ++writes;
          } else if (own.one_in(3)) {
            dawdle(own);
            expect_equal(load(file.fd()).first, before.first, "what readers see");
          }
          unlock(file.fd(), by_flock);
        }
      });
  }
  const counters last = load(made);
  expect_equal(last.first, writes, "writes under a file's lock");
  expect_equal(last.second, writes, "writes under a file's lock, completed");
  close(made);
  unlink(path);
}

const scenes registered{{"file_locks", file_locks}};

} // namespace

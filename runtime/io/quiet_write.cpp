// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/quiet_write.hpp"

#include <poll.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>

#include "weft/io.hpp"

namespace weft::io {
namespace {

/// While it exists the thread takes no SIGPIPE; one that a write raised is taken back. There is
/// no MSG_NOSIGNAL for pipes.
class sigpipe_held_back {
 public:
  sigpipe_held_back() noexcept {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    was_pending_ = ::sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
    if (!was_pending_) ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  sigpipe_held_back(const sigpipe_held_back&) = delete;
  sigpipe_held_back& operator=(const sigpipe_held_back&) = delete;
  ~sigpipe_held_back() {
    if (was_pending_) return; // blocked already, and not ours to take
    const int error = errno;
    if (raised_) {
      constexpr timespec zero{};
      while (::sigtimedwait(&pipe_, nullptr, &zero) < 0 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  void raised() noexcept { raised_ = true; }

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_;
  bool raised_ = false;
};

} // namespace

ssize_t write_quietly(int fd, std::span<const std::byte> data, const deadline& until) {
  while (true) {
    {
      // The mask is the thread's: no other fiber may run under it, hence a write that never parks.
      sigpipe_held_back quiet;
      const ssize_t n = write(fd, data.data(), data.size(), std::chrono::seconds(0));
      if (n >= 0) return n;
      if (errno == EPIPE) quiet.raised();
      if (errno != ETIMEDOUT) return n;
    }
    pollfd one{fd, POLLOUT, 0};
    const int found = poll(&one, 1, until);
    if (found == 0) errno = ETIMEDOUT;
    if (found <= 0) return -1;
  }
}

} // namespace weft::io

// SPDX-License-Identifier: BSL-1.0
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <system_error>

#include "runtime/io/attempt.hpp"
#include "runtime/io/operation.hpp"
#include "weft/io.hpp"
#include "weft/thread_pool.hpp"

namespace weft::io {
namespace {

// There is no connect that does not wait, short of O_NONBLOCK, which is not ours to change:
// MSG_DONTWAIT has no counterpart, and poll(2) tells nothing beforehand. Hence each attempt has a
// thread of a pool.

/// An attempt that may outlive the call.
class attempt {
 public:
  attempt(int caller_fd, const sockaddr* to, socklen_t to_size) noexcept
      : fd_(::fcntl(caller_fd, F_DUPFD_CLOEXEC, 0)), size_(to_size) {
    std::memcpy(&address_, to, to_size);
  }
  attempt(const attempt&) = delete;
  attempt& operator=(const attempt&) = delete;
  ~attempt() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }

  int run() noexcept {
    const auto result = static_cast<int>(
        kernel_result(::connect(fd_, reinterpret_cast<const sockaddr*>(&address_), size_)));
    // It was given up before it began, so that nothing ended it.
    if (result == 0 && given_up_.load(std::memory_order_seq_cst)) ::shutdown(fd_, SHUT_RDWR);
    return result;
  }
  /// Makes `run` return.
  void give_up() noexcept {
    given_up_.store(true, std::memory_order_seq_cst);
    ::shutdown(fd_, SHUT_RDWR);
  }

 private:
  int fd_; // our own: the caller's may be closed meanwhile
  std::atomic<bool> given_up_{false};
  socklen_t size_;
  sockaddr_storage address_;
};

int connect_on_thread(int fd, const sockaddr* to, socklen_t to_size, core::nanoseconds end) {
  const auto trial = std::make_shared<attempt>(fd, to, to_size);
  if (!trial->valid()) return -errno;
  auto run = [trial] { return trial->run(); };
  future<int> result;
  try {
    result = *detail::submit_call<int>(detail::waiting_pool(), std::move(run), core::never);
  } catch (const std::system_error& e) {
    return -e.code().value();
  }
  struct giving_up {
    attempt* trial;
    future<int>& result;
    ~giving_up() {
      if (!trial) return;
      result.cancel(); // it may not have begun
      trial->give_up();
    }
  } unless_done{trial.get(), result};
  if (!detail::wait_done(*result.internal_state(), end, detail::blocking_call::io_connect))
    return -ETIMEDOUT;
  unless_done.trial = nullptr;
  return result.was_cancelled() ? -ECANCELED : result.get(); // in a forked child
}

} // namespace

int connect(int fd, const sockaddr* to, socklen_t to_size, deadline until) {
  drop_old_record(fd);
  operation op(fd, core::io_out, until, detail::blocking_call::io_connect);
  // Datagram sockets only note the address; nonsense is for the kernel to refuse.
  const int type = socket_type(fd);
  if (op.plain() || (type != SOCK_STREAM && type != SOCK_SEQPACKET) ||
      to_size > sizeof(sockaddr_storage) || op.user_wants_no_waiting())
    return ::connect(fd, to, to_size);
  return static_cast<int>(posix_result(connect_on_thread(fd, to, to_size, until.absolute())));
}

} // namespace weft::io

// SPDX-License-Identifier: BSL-1.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "runtime/io/attempt.hpp"
#include "runtime/io/operation.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/io.hpp"

namespace weft::io {
namespace {

// There is no connect that does not wait, short of O_NONBLOCK, which is not ours to change:
// MSG_DONTWAIT has no counterpart, and poll(2) tells nothing beforehand. Hence each attempt has a
// thread of its own.

/// An attempt and its outcome.
struct attempt {
  int fd = -1; // our own: the caller's may be closed meanwhile
  socklen_t size = 0;
  sockaddr_storage address;

  attempt(int caller_fd, const sockaddr* to, socklen_t to_size) noexcept
      : fd(::fcntl(caller_fd, F_DUPFD_CLOEXEC, 0)), size(to_size) {
    std::memcpy(&address, to, to_size);
  }
  attempt(const attempt&) = delete;
  attempt& operator=(const attempt&) = delete;
  ~attempt() {
    if (fd >= 0) ::close(fd);
  }
  int run() noexcept {
    return static_cast<int>(
        kernel_result(::connect(fd, reinterpret_cast<const sockaddr*>(&address), size)));
  }
  /// Makes `run` return.
  void give_up() noexcept { ::shutdown(fd, SHUT_RDWR); }
};

struct fiber_attempt : attempt, detail::inbox_item {
  hub& home;
  detail::state* waiting; // null: given up
  int result = 0;
  bool done = false;

  fiber_attempt(hub& h, int fd, const sockaddr* to, socklen_t to_size) noexcept
      : attempt(fd, to, to_size), home(h), waiting(h.running()) {
    deliver = &delivered;
    home.keep();
  }
  ~fiber_attempt() { home.drop(); }

  void run_and_post() noexcept {
    result = run();
    home.external_work.fetch_sub(1, std::memory_order_release);
    if (!home.post(*this)) delete this;
  }

  /// On the hub's thread. The waiting fiber destroys it, or it destroys itself.
  static void delivered(inbox_item& item) noexcept {
    auto* self = static_cast<fiber_attempt*>(&item);
    self->done = true;
    if (self->waiting)
      self->home.unpark(*self->waiting);
    else
      delete self;
  }
};

int connect_from_fiber(hub& h, int fd, const sockaddr* to, socklen_t to_size,
                       core::nanoseconds end) {
  auto owned = std::make_unique<fiber_attempt>(h, fd, to, to_size);
  if (owned->fd < 0) return -errno;
  fiber_attempt& job = *owned;
  h.external_work.fetch_add(1, std::memory_order_relaxed);
  try {
    std::thread([&job] { job.run_and_post(); }).detach();
  } catch (const std::system_error& e) {
    h.external_work.fetch_sub(1, std::memory_order_relaxed);
    return -e.code().value();
  }
  static_cast<void>(owned.release());
  const detail::wake woken = h.park(end, detail::blocking_call::io_connect);
  const bool done = job.done;
  const int result = done ? job.result : -ETIMEDOUT;
  if (done) {
    delete &job;
  } else {
    job.waiting = nullptr;
    job.give_up();
  }
  if (woken == detail::wake::interrupted) h.throw_interrupt();
  return result;
}

int connect_from_thread(int fd, const sockaddr* to, socklen_t to_size, core::nanoseconds end) {
  const auto job = std::make_shared<attempt>(fd, to, to_size);
  if (job->fd < 0) return -errno;
  std::promise<int> promise;
  std::future<int> result = promise.get_future();
  try {
    std::thread([job, p = std::move(promise)]() mutable { p.set_value(job->run()); }).detach();
  } catch (const std::system_error& e) {
    return -e.code().value();
  }
  const auto left = std::max<core::nanoseconds>(end - core::monotonic_now(), 0);
  if (end == 0 || result.wait_for(std::chrono::nanoseconds(left)) != std::future_status::ready) {
    job->give_up();
    return -ETIMEDOUT;
  }
  return result.get();
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
  const core::nanoseconds end = until.absolute();
  hub* h = detail::this_hub;
  return static_cast<int>(posix_result(h ? connect_from_fiber(*h, fd, to, to_size, end)
                                         : connect_from_thread(fd, to, to_size, end)));
}

} // namespace weft::io

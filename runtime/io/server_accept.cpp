// SPDX-License-Identifier: BSL-1.0
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "runtime/io/failure.hpp"
#include "runtime/io/operation.hpp"
#include "runtime/io/server.hpp"
#include "runtime/sched/error_report.hpp"
#include "weft/error.hpp"
#include "weft/io.hpp"
#include "weft/sleep.hpp"

// The accepting half of a server.

namespace weft::detail {
namespace {

bool is_shortage(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/// Linux hands on what went wrong with the one connection that was next; others are not concerned.
bool is_of_one_connection(int error) noexcept {
  switch (error) {
  case EINTR:
  case ECONNABORTED:
  case EPERM: // by a firewall
  case EPROTO:
  case ENOPROTOOPT:
  case ENETDOWN:
  case ENETUNREACH:
  case EHOSTDOWN:
  case EHOSTUNREACH:
  case ENONET:
    return true;
  default:
    return false;
  }
}

} // namespace

connection::connection(server& of, std::unique_lock<semaphore>& permit, descriptor fd,
                       const socket_address& from)
    : owner(of.shared_from_this()), room(std::move(permit)), socket(std::move(fd)), peer(from) {
  owner->all_.push_back(*this);
  owner->connections_.store(owner->connections() + 1, std::memory_order_relaxed);
}

connection::~connection() {
  unlink();
  owner->connections_.store(owner->connections() - 1, std::memory_order_relaxed);
}

void server::accept_for_ever() {
  std::size_t in_a_row = 0;
  std::unique_lock<semaphore> room;
  while (true) {
    if (!room) room = std::unique_lock(room_);
    const int error = accept_one(room);
    if (error == 0 || is_of_one_connection(error)) {
      if (++in_a_row < options_.max_accept) continue;
      yield();
    } else if (error == EAGAIN) {
      io::wait_until_ready("accept", listener_.get(), POLLIN, {});
    } else if (is_shortage(error)) {
      pause(error);
    } else {
      io::throw_failure("accept", listener_.get(), error);
    }
    in_a_row = 0;
  }
}

/// 0 if one was accepted, EAGAIN if there is none, or another error.
int server::accept_one(std::unique_lock<semaphore>& room) {
  sockaddr_storage from;
  socklen_t size = sizeof from;
  descriptor fd(take_from_backlog(reinterpret_cast<sockaddr*>(&from), &size));
  if (!fd) return errno == ETIMEDOUT ? EAGAIN : errno;
  try {
    const socket_address peer(reinterpret_cast<const sockaddr*>(&from), size);
    admit(std::make_unique<connection>(*this, room, std::move(fd), peer));
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
  delay_ = options_.min_delay;
  pausing_ = false;
  return 0;
}

int server::take_from_backlog(sockaddr* from, socklen_t* size) {
  if (!non_blocking_)
    return io::accept4(listener_.get(), from, size, SOCK_CLOEXEC, std::chrono::seconds(0));
  const int fd = ::accept4(listener_.get(), from, size, SOCK_CLOEXEC);
  if (fd >= 0) io::drop_old_record(fd);
  return fd;
}

void server::admit(std::unique_ptr<connection> one) {
  connection& added = *one;
  added.handler = spawn(
      {.name = "connection", .stack_size = options_.stack_size}, [mine = std::move(one)]() mutable {
        const std::unique_ptr<connection> held = std::move(mine); // gone when this ends
        held->owner->handle(*held);
      });
}

void server::handle(connection& one) {
  try {
    handler_->call(one.socket, one.peer);
  } catch (const cancelled&) {
    throw;
  } catch (...) {
    const std::string where = "tcp_server's handler of " + one.peer.to_string();
    report_error(where.c_str(), std::current_exception());
  }
}

void server::pause(int error) {
  if (!std::exchange(pausing_, true)) {
    const std::string where = "tcp_server on " + address_.to_string();
    report_error(where.c_str(), std::make_exception_ptr(std::system_error(
                                    error, std::generic_category(), "weft: accept, pausing")));
  }
  sleep(delay_);
  delay_ = std::min(2 * delay_, options_.max_delay);
}

} // namespace weft::detail

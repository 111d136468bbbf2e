// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/core/clock.hpp"
#include "runtime/core/list.hpp"
#include "runtime/io/socket_file.hpp"
#include "weft/semaphore.hpp"
#include "weft/tcp_server.hpp"

namespace weft::detail {

class server;

/// One that was accepted, with its handler's fiber, which owns it.
struct connection : core::list_hook<> {
  connection(server& of, std::unique_lock<semaphore>& permit, descriptor fd,
             const socket_address& from);
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection();

  std::shared_ptr<server> owner;
  std::unique_lock<semaphore> room;
  stream socket;
  socket_address peer;
  task<void> handler;
};

/// What is behind a tcp_server. One fiber, the acceptor, does everything but the handlers' work,
/// on its hub; who stops the server cancels it, from whatever thread, and waits for its end.
class server : public std::enable_shared_from_this<server> {
 public:
  server(descriptor listener, bool ours, const server_options& options,
         std::unique_ptr<connection_handler> handler);

  void start();
  void serve_forever();
  bool stop(deadline limit);

  [[nodiscard]] const socket_address& address() const noexcept { return address_; }
  [[nodiscard]] std::size_t connections() const noexcept {
    return connections_.load(std::memory_order_relaxed);
  }

 private:
  friend connection;
  enum class stage : std::uint8_t { fresh, started, stopping };

  // server_accept.cpp
  void accept_for_ever();
  int accept_one(std::unique_lock<semaphore>& room);
  int take_from_backlog(sockaddr* from, socklen_t* size);
  void admit(std::unique_ptr<connection> one);
  void handle(connection& one);
  void pause(int error);

  // server.cpp
  bool serve();
  task<bool> request_stop(deadline limit);
  void note_stop(deadline limit) noexcept;
  [[nodiscard]] bool is_a_handler() noexcept;
  bool end_handlers();
  [[nodiscard]] core::nanoseconds end_of_grace() noexcept;
  void close_listener() noexcept;

  const server_options options_;
  const std::unique_ptr<connection_handler> handler_;
  const socket_address address_;
  bool non_blocking_;
  semaphore room_; // a permit for each connection, one of them for the next

  // The acceptor's alone.
  core::list<connection> all_;
  std::chrono::milliseconds delay_;
  bool pausing_ = false;

  std::atomic<std::size_t> connections_{0}; // written by the acceptor's thread
  std::mutex mutex_;
  // Under the mutex, but for the acceptor's use of the listener between start and its own end:
  descriptor listener_;
  io::socket_file file_;
  stage stage_ = stage::fresh;
  task<bool> acceptor_;
  core::nanoseconds grace_ = core::never;
};

} // namespace weft::detail

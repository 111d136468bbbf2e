// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/descriptor.hpp>
#include <weft/socket_address.hpp>
#include <weft/spawn.hpp>
#include <weft/stream.hpp>

namespace [[gnu::visibility("default")]] weft {

struct server_options {
  /// As in listen_options; not for a descriptor that listens already.
  int backlog = 1024;
  bool reuse_port = false;
  /// While so many handlers run, none is accepted: further connections wait in the kernel's
  /// backlog.
  std::size_t max_connections = static_cast<std::size_t>(-1);
  /// So many are accepted before other fibers have their turn.
  std::size_t max_accept = 100;
  /// How long to accept nothing when descriptors or memory are short: at first, and at most, for
  /// the pause doubles as long as they are.
  std::chrono::milliseconds min_delay{10};
  std::chrono::milliseconds max_delay{1000};
  /// What handlers still have when `serve_forever` is cancelled.
  deadline stop_timeout = std::chrono::seconds(1);
  /// Of the handlers' fibers, as in spawn_options.
  std::size_t stack_size = 0;
};

namespace detail {

class server;

struct connection_handler {
  virtual void call(stream& connection, const socket_address& peer) = 0;
  virtual ~connection_handler() = default;
};

template <class F>
std::unique_ptr<connection_handler> make_connection_handler(F&& f) {
  using callable = std::decay_t<F>;
  struct handler final : connection_handler {
    explicit handler(F&& g) : call_(std::forward<F>(g)) {}
    void call(stream& connection, const socket_address& peer) override {
      if constexpr (std::invocable<callable&, stream&, const socket_address&>)
        std::invoke(call_, connection, peer);
      else
        std::invoke(call_, connection);
    }
    callable call_;
  };
  refuse_null(f);
  return std::make_unique<handler>(std::forward<F>(f));
}

} // namespace detail

/// What a tcp_server calls for each connection: `f(stream&, const socket_address& peer)` or
/// `f(stream&)`.
template <class F>
concept handles_connections = std::invocable < std::decay_t<F>
&, stream&, const socket_address& > || std::invocable<std::decay_t<F>&, stream&>;

/// Accepts connections, and has a fiber for each, which calls the handler. Model: gevent's
/// StreamServer.
///
///     tcp_server server("127.0.0.1", 8080, [](weft::stream& peer) {
///       while (auto line = peer.read_line({.timeout = 30s}))
///         peer.write_all(*line + "\n");
///     });
///     server.serve_forever();
///
/// - The connection is closed when its handler returns, unless that has moved the stream away.
///   What a handler throws goes to the error handler and never ends the server.
/// - It listens from the moment it is made, and accepts once it is started, on the hub of the
///   thread that starts it. Several threads share a port by a server each with `reuse_port`.
/// - While descriptors or memory are short (EMFILE, ENFILE, ENOBUFS, ENOMEM) it pauses, and says
///   so to the error handler once until it can accept again.
/// - A socket that listens may be given instead, TCP or UNIX, made by weft or inherited. Its
///   O_NONBLOCK is left as it is.
///
/// `local_address`, `connections` and `stop` may be called from any thread.
class tcp_server {
 public:
  /// Listens on a host (empty: every IPv4 address) and port (0: one that is free), as
  /// listen_tcp. Throws std::system_error if it cannot, and std::invalid_argument for a null
  /// handler or an option that makes no sense.
  template <handles_connections F>
  tcp_server(std::string_view host, std::uint16_t port, F&& handler,
             const server_options& options = {})
      : tcp_server(host, port, options, detail::make_connection_handler(std::forward<F>(handler))) {
  }
  /// On an address of either kind, as listen_on. A UNIX path is removed at the end.
  template <handles_connections F>
  tcp_server(const socket_address& address, F&& handler, const server_options& options = {})
      : tcp_server(address, options, detail::make_connection_handler(std::forward<F>(handler))) {}
  /// On what listens already.
  template <handles_connections F>
  tcp_server(descriptor listening, F&& handler, const server_options& options = {})
      : tcp_server(std::move(listening), options,
                   detail::make_connection_handler(std::forward<F>(handler))) {}
  tcp_server(const tcp_server&) = delete;
  tcp_server& operator=(const tcp_server&) = delete;
  /// `stop(0s)`. Where that may not wait (in a callback, in a handler) the server ends by itself.
  ~tcp_server();

  /// Begins to accept, in a fiber of its own. Never blocks, no switch point. Throws
  /// std::logic_error if it was started before.
  void start();

  /// Starts it if it was not, and waits until it is stopped; returns at once if that has happened
  /// already. A switch point. If the caller is cancelled, stops the server, giving its handlers
  /// `stop_timeout`, before the exception goes on. Throws std::system_error if the listening
  /// socket fails.
  void serve_forever();

  /// Closes the listening socket (who is in the backlog is refused), and waits until every
  /// handler has returned. If it is called several times the shortest limit counts; a server that
  /// was never started just closes.
  ///
  /// Parks the fiber, or blocks a thread without a hub; a switch point if it has to wait. If the
  /// caller is cancelled the server ends all the same. Throws std::logic_error in a handler of
  /// this server, which would wait for itself: spawn a fiber that stops it.
  void stop() { stop(deadline::never()); }
  /// The same with a limit, after which the handlers are cancelled, and waited for until they have
  /// ended. Says whether all returned without that. Model: gevent's stop(timeout).
  bool stop(deadline limit);

  /// Where it listens, also after it was stopped.
  [[nodiscard]] const socket_address& local_address() const noexcept;

  /// How many handlers there are now.
  [[nodiscard]] std::size_t connections() const noexcept;

 private:
  using handler_pointer = std::unique_ptr<detail::connection_handler>;
  tcp_server(std::string_view host, std::uint16_t port, const server_options&, handler_pointer);
  tcp_server(const socket_address&, const server_options&, handler_pointer);
  tcp_server(descriptor listening, const server_options&, handler_pointer);

  std::shared_ptr<detail::server> server_;
};

} // namespace weft

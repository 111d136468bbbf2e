// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/server.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "runtime/io/failure.hpp"
#include "runtime/io/socket.hpp"
#include "runtime/sched/hub.hpp"
#include "weft/joinall.hpp"
#include "weft/listen.hpp"

namespace weft {
namespace detail {
namespace {

const server_options& checked(const server_options& options) {
  if (options.max_connections == 0 || options.max_accept == 0)
    throw std::invalid_argument(
        "weft: a tcp_server with max_connections or max_accept of 0 could accept nothing");
  if (options.min_delay.count() <= 0 || options.max_delay < options.min_delay)
    throw std::invalid_argument(
        "weft: a tcp_server's min_delay must be above zero, and max_delay not below it");
  return options;
}

std::ptrdiff_t permits(std::size_t most) noexcept {
  return static_cast<std::ptrdiff_t>(std::min(most, static_cast<std::size_t>(semaphore::max())));
}

deadline at(core::nanoseconds when) noexcept {
  if (when == core::never) return {};
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(when));
}

} // namespace

server::server(descriptor listener, bool ours, const server_options& options,
               std::unique_ptr<connection_handler> handler)
    : options_(checked(options)), handler_(std::move(handler)),
      address_(socket_address::of(listener.get())), room_(permits(options.max_connections)),
      delay_(options.min_delay), listener_(std::move(listener)) {
  if (ours) {
    file_ = io::socket_file(address_);
    // So that another process, with which the socket may be shared later, can be first.
    io::set_non_blocking(listener_.get(), true);
  }
  non_blocking_ = io::is_non_blocking(listener_.get());
}

void server::start() {
  const std::lock_guard held(mutex_);
  if (stage_ != stage::fresh)
    throw std::logic_error("weft: a tcp_server is started once; make another one");
  acceptor_ = spawn({.name = "tcp_server"}, [self = shared_from_this()] { return self->serve(); });
  stage_ = stage::started;
}

void server::serve_forever() {
  task<bool> acceptor;
  {
    std::unique_lock held(mutex_);
    if (stage_ == stage::fresh) {
      held.unlock();
      start();
      held.lock();
    }
    acceptor = acceptor_;
  }
  if (!acceptor.valid()) return; // stopped before it was started
  try {
    wait_done(*acceptor.internal_state(), INT64_MAX, blocking_call::server_serve);
  } catch (...) {
    stop(options_.stop_timeout);
    throw;
  }
  if (!acceptor.was_cancelled()) static_cast<void>(acceptor.get());
}

void server::note_stop(deadline limit) noexcept {
  stage_ = stage::stopping;
  grace_ = std::min(grace_, limit.absolute());
}

task<bool> server::request_stop(deadline limit) {
  const std::lock_guard held(mutex_);
  if (stage_ == stage::fresh) close_listener();
  note_stop(limit);
  acceptor_.cancel();
  return acceptor_;
}

bool server::stop(deadline limit) {
  const task<bool> acceptor = request_stop(limit);
  if (!acceptor.valid()) return true;
  if (is_a_handler())
    throw std::logic_error("weft: a tcp_server's handler that waits for the server's end waits for "
                           "its own; spawn a fiber that stops it");
  wait_done(*acceptor.internal_state(), INT64_MAX, blocking_call::server_stop);
  if (acceptor.was_cancelled()) { // before it began
    const std::lock_guard held(mutex_);
    close_listener();
    return true;
  }
  return !acceptor.exception() && acceptor.get();
}

bool server::is_a_handler() noexcept {
  const hub* mine = this_hub;
  const state* acceptor = acceptor_.internal_state();
  if (!mine || !acceptor || acceptor->home != mine) return false;
  bool found = false;
  all_.for_each([&](const connection& one) {
    if (one.handler.valid() && one.handler.internal_state() == mine->running()) found = true;
  });
  return found;
}

void server::close_listener() noexcept {
  file_.remove();
  listener_.reset();
}

/// The acceptor. Says whether every handler ended without being cancelled.
bool server::serve() {
  std::exception_ptr failure;
  try {
    accept_for_ever();
  } catch (const cancelled&) {
  } catch (...) {
    failure = std::current_exception();
  }
  {
    const std::lock_guard held(mutex_);
    if (failure) note_stop(options_.stop_timeout);
    close_listener();
  }
  const bool by_themselves = end_handlers();
  if (failure) std::rethrow_exception(failure);
  return by_themselves;
}

core::nanoseconds server::end_of_grace() noexcept {
  const std::lock_guard held(mutex_);
  // If it was cancelled and nobody asked it to stop, the hub ends.
  return stage_ == stage::stopping ? grace_ : 0;
}

bool server::end_handlers() {
  std::vector<task<void>> running;
  all_.for_each([&](const connection& one) { running.push_back(one.handler); });
  bool by_themselves = true;
  while (true) {
    try {
      if (by_themselves &&
          joinall(running, {.timeout = at(end_of_grace())}).size() < running.size()) {
        by_themselves = false;
        for (const task<void>& each : running)
          each.cancel();
      }
      joinall(running);
      return by_themselves;
    } catch (const cancelled&) { // another stop, with another limit
    }
  }
}

} // namespace detail

tcp_server::tcp_server(std::string_view host, std::uint16_t port, const server_options& options,
                       handler_pointer handler)
    : server_(std::make_shared<detail::server>(
          listen_tcp(host, port, {options.backlog, options.reuse_port}), true, options,
          std::move(handler))) {}

tcp_server::tcp_server(const socket_address& address, const server_options& options,
                       handler_pointer handler)
    : server_(std::make_shared<detail::server>(
          listen_on(address, {options.backlog, options.reuse_port}), true, options,
          std::move(handler))) {}

tcp_server::tcp_server(descriptor listening, const server_options& options, handler_pointer handler)
    : server_(std::make_shared<detail::server>(std::move(listening), false, options,
                                               std::move(handler))) {}

tcp_server::~tcp_server() {
  try {
    server_->stop(std::chrono::seconds(0));
  } catch (...) { // may not wait here: it was asked to end, and does
  }
}

void tcp_server::start() {
  server_->start();
}

void tcp_server::serve_forever() {
  server_->serve_forever();
}

bool tcp_server::stop(deadline limit) {
  return server_->stop(limit);
}

const socket_address& tcp_server::local_address() const noexcept {
  return server_->address();
}

std::size_t tcp_server::connections() const noexcept {
  return server_->connections();
}

} // namespace weft

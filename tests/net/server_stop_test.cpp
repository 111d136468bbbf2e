// SPDX-License-Identifier: BSL-1.0
// The ends of a server, and its misuse.
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/net/server_fixture.hpp"
#include "weft/listen.hpp"

namespace weft::test {
namespace {

/// A connection whose handler runs.
stream connect_and_wait(const tcp_server& server) {
  const std::size_t before = server.connections();
  stream peer = connect_to(server);
  EXPECT_TRUE(soon([&] { return server.connections() > before; }));
  return peer;
}

TEST(server_stop, waits_for_handlers) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, echo_lines);
    server.start();
    stream peer = connect_and_wait(server);
    auto stopping = spawn([&] { return server.stop(60s); });
    sleep(2ms);
    EXPECT_FALSE(stopping.done());
    EXPECT_EQ(error_code_of([&] { (void)connect_to(server); }), ECONNREFUSED);
    peer.write_all("served to the end\n");
    EXPECT_EQ(peer.read_line({.timeout = 20s}), "served to the end");
    peer.close();
    EXPECT_TRUE(stopping.get());
    EXPECT_EQ(server.connections(), 0u);
    EXPECT_TRUE(server.stop(0s)); // again: no effect
    server.stop();
  });
}

TEST(server_stop, cancels_handlers_when_its_time_is_over) {
  in_fiber([] {
    bool cleaned_up = false;
    tcp_server server("127.0.0.1", 0, [&](stream&) {
      try {
        sleep(1h);
      } catch (const cancelled&) {
        sleep(1ms);
        cleaned_up = true;
        throw;
      }
    });
    server.start();
    stream peer = connect_and_wait(server);
    const auto begun = clock::now();
    EXPECT_FALSE(server.stop(10ms));
    EXPECT_GE(clock::now() - begun, 10ms);
    EXPECT_TRUE(cleaned_up); // it is waited for
    EXPECT_EQ(peer.read_all({.timeout = 20s}), "");
  });
}

TEST(server_stop, a_shorter_limit_counts) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, linger);
    server.start();
    const stream peer = connect_and_wait(server);
    auto patient = spawn([&] { return server.stop(1h); });
    auto very_patient = spawn([&] { server.stop(); });
    sleep(1ms);
    EXPECT_FALSE(patient.done());
    EXPECT_FALSE(server.stop(1ms));
    EXPECT_FALSE(patient.get());
    very_patient.get();
  });
}

TEST(server_stop, cancelled_leaves_the_server_ending) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, echo_lines);
    server.start();
    stream peer = connect_and_wait(server);
    auto stopping = spawn([&] { server.stop(); });
    sleep(1ms);
    stopping.kill();
    EXPECT_EQ(error_code_of([&] { (void)connect_to(server); }), ECONNREFUSED);
    peer.write_all("undisturbed\n");
    EXPECT_EQ(peer.read_line({.timeout = 20s}), "undisturbed");
    peer.close();
    EXPECT_TRUE(server.stop(20s));
  });
}

TEST(server_stop, from_another_thread) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, linger);
    auto serving = spawn([&] { server.serve_forever(); });
    const stream peer = connect_and_wait(server);
    std::thread other([&] { EXPECT_FALSE(server.stop(1ms)); });
    serving.get();
    other.join();
  });
}

TEST(server_stop, before_it_was_started) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, echo_lines);
    EXPECT_TRUE(server.stop(0s));
    EXPECT_EQ(error_code_of([&] { (void)connect_to(server); }), ECONNREFUSED);
    EXPECT_THROW(server.start(), std::logic_error);
    server.serve_forever(); // has been stopped: nothing to wait for
  });
}

TEST(server_stop, before_its_first_turn) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, echo_lines);
    server.start();
    EXPECT_TRUE(server.stop(0s));
    EXPECT_EQ(error_code_of([&] { (void)connect_to(server); }), ECONNREFUSED);
    server.serve_forever();
  });
}

TEST(server_stop, in_a_handler_is_refused_but_not_in_its_child) {
  in_fiber([] {
    bool refused = false;
    std::optional<tcp_server> server;
    server.emplace("127.0.0.1", 0, [&](stream&) {
      try {
        server->stop(0s);
      } catch (const std::logic_error&) {
        refused = true;
      }
    });
    auto serving = spawn([&] { server->serve_forever(); });
    EXPECT_EQ(connect_to(*server).read_all({.timeout = 20s}), "");
    EXPECT_TRUE(refused);
    EXPECT_TRUE(serving.join(20s)); // it was asked to, all the same
    server.emplace("127.0.0.1", 0, [&](stream& peer) {
      spawn([&] { server->stop(0s); }).join(1ms);
      echo_lines(peer);
    });
    auto again = spawn([&] { server->serve_forever(); });
    EXPECT_EQ(connect_to(*server).read_all({.timeout = 20s}), "");
    EXPECT_TRUE(again.join(20s));
  });
}

TEST(serve_forever, ends_when_another_fiber_stops_the_server) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, echo_lines);
    auto serving = spawn([&] { server.serve_forever(); });
    stream peer = connect_and_wait(server);
    EXPECT_FALSE(serving.done());
    EXPECT_FALSE(server.stop(0s));
    serving.get();
  });
}

TEST(serve_forever, cancelled_stops_the_server_and_gives_its_handlers_time) {
  in_fiber([] {
    for (const auto grace : {0ms, 60'000ms}) {
      bool finished = false;
      tcp_server server("127.0.0.1", 0,
                        [&, grace](stream&) {
                          sleep(grace > 0ms ? 5ms : 3'600'000ms);
                          finished = true;
                        },
                        {.stop_timeout = grace});
      auto serving = spawn([&] { server.serve_forever(); });
      stream peer = connect_and_wait(server);
      serving.cancel();
      serving.join();
      EXPECT_TRUE(serving.was_cancelled());
      EXPECT_EQ(finished, grace > 0ms);
      EXPECT_EQ(server.connections(), 0u);
      EXPECT_EQ(error_code_of([&] { (void)connect_to(server); }), ECONNREFUSED);
    }
  });
}

TEST(serve_forever, on_a_thread_that_has_no_fiber_yet) {
  std::thread serving([] {
    tcp_server server("127.0.0.1", 0, [&](stream& peer) {
      peer.write_all("last words");
      static_cast<void>(spawn([&server] { server.stop(); }));
    });
    const socket_address address = server.local_address();
    std::thread client([address] {
      EXPECT_EQ(weft::connect_to(address, {.timeout = 20s}).read_all({.timeout = 20s}),
                "last words");
    });
    server.serve_forever();
    client.join();
  });
  serving.join();
}

TEST(serve_forever, throws_when_the_listening_socket_fails) {
  in_fiber([] {
    descriptor listening = listen_tcp("127.0.0.1", 0);
    const owned_fd same{::dup(listening.get())};
    tcp_server server(std::move(listening), linger, {.stop_timeout = 1ms});
    auto serving = spawn([&] { server.serve_forever(); });
    const stream peer = connect_and_wait(server);
    ::shutdown(same, SHUT_RDWR);
    EXPECT_EQ(error_code_of([&] { serving.get(); }), EINVAL);
    EXPECT_EQ(server.connections(), 0u);
    EXPECT_FALSE(server.stop(0s));
  });
}

TEST(server, destroyed_cancels_its_handlers) {
  in_fiber([] {
    bool cleaned_up = false;
    struct guard {
      bool& done;
      ~guard() { done = true; }
    };
    std::optional<tcp_server> server;
    server.emplace("127.0.0.1", 0, [&](stream&) {
      const guard g{cleaned_up};
      sleep(1h);
    });
    server->start();
    const stream peer = connect_and_wait(*server);
    server.reset();
    EXPECT_TRUE(cleaned_up);
  });
}

TEST(server, destroyed_in_a_callback_ends_by_itself) {
  in_fiber([] {
    auto alive = std::make_shared<int>(0);
    const std::weak_ptr<int> handler_exists = alive;
    auto server = std::make_unique<tcp_server>(
        "127.0.0.1", 0, [alive = std::move(alive)](stream& peer) { linger(peer); });
    server->start();
    stream peer = connect_and_wait(*server);
    call_later(0s, [&] { server.reset(); });
    EXPECT_EQ(peer.read_all({.timeout = 20s}), "");
    EXPECT_TRUE(soon([&] { return handler_exists.expired(); }));
  });
}

TEST(server, is_cancelled_with_its_hub) {
  std::unique_ptr<tcp_server> server;
  stream peer;
  weft::run([&] {
    server = std::make_unique<tcp_server>("127.0.0.1", 0, linger);
    server->start();
    peer = connect_and_wait(*server);
  }); // does not wait for the handler's hour
  EXPECT_EQ(peer.read_all({.timeout = 20s}), "");
  EXPECT_EQ(error_code_of([&] { (void)connect_to(*server); }), ECONNREFUSED);
  EXPECT_EQ(server->connections(), 0u);
}

TEST(server, misuse) {
  in_fiber([] {
    const auto make = [](const server_options& options) {
      tcp_server server("127.0.0.1", 0, linger, options);
    };
    EXPECT_THROW(make({.max_connections = 0}), std::invalid_argument);
    EXPECT_THROW(make({.max_accept = 0}), std::invalid_argument);
    EXPECT_THROW(make({.min_delay = std::chrono::milliseconds(0)}), std::invalid_argument);
    EXPECT_THROW(make({.min_delay = std::chrono::milliseconds(2),
                       .max_delay = std::chrono::milliseconds(1)}),
                 std::invalid_argument);
    EXPECT_THROW(tcp_server("127.0.0.1", 0, std::function<void(stream&)>()), std::invalid_argument);
    EXPECT_EQ(error_code_of([] { tcp_server server(descriptor(), linger); }), EBADF);
    tcp_server server("127.0.0.1", 0, linger);
    server.start();
    EXPECT_THROW(server.start(), std::logic_error);
    EXPECT_EQ(error_code_of([&] { tcp_server second(server.local_address(), linger); }),
              EADDRINUSE);
  });
}

} // namespace
} // namespace weft::test

// SPDX-License-Identifier: BSL-1.0
// A server that runs: connections, handlers, limits, shortages.
#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/net/scratch_directory.hpp"
#include "tests/net/server_fixture.hpp"
#include "weft/listen.hpp"

namespace weft::test {
namespace {

TEST(server, has_a_fiber_for_each_connection) {
  in_fiber([] {
    std::vector<std::string> peers;
    tcp_server server("127.0.0.1", 0, [&](stream& connection, const socket_address& peer) {
      peers.push_back(peer.to_string());
      echo_lines(connection);
    });
    server.start();
    stream a = connect_to(server), b = connect_to(server);
    b.write_all("second\n");
    EXPECT_EQ(b.read_line({.timeout = 20s}), "second");
    a.write_all("first\n");
    EXPECT_EQ(a.read_line({.timeout = 20s}), "first");
    EXPECT_EQ(server.connections(), 2u);
    for (const stream* each : {&a, &b})
      EXPECT_EQ(std::count(peers.begin(), peers.end(), socket_address::of(each->fd()).to_string()),
                1);
    a.close();
    EXPECT_TRUE(soon([&] { return server.connections() == 1; }));
  });
}

TEST(server, listens_from_the_moment_it_is_made) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, echo_lines);
    EXPECT_EQ(server.local_address().host(), "127.0.0.1");
    stream early = connect_to(server);
    early.write_all("early\n");
    EXPECT_EQ(error_code_of([&] { (void)early.read_line({.timeout = 5ms}); }), ETIMEDOUT);
    server.start();
    EXPECT_EQ(early.read_line({.timeout = 20s}), "early");
  });
}

TEST(server, closes_a_connection_when_its_handler_returns) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, [](stream& peer) { peer.write_all("bye"); });
    server.start();
    stream peer = connect_to(server);
    EXPECT_EQ(peer.read_all({.timeout = 20s}), "bye");
  });
}

TEST(server, a_handler_may_move_the_stream_away) {
  in_fiber([] {
    stream kept;
    tcp_server server("127.0.0.1", 0, [&](stream& peer) { kept = std::move(peer); });
    server.start();
    stream peer = connect_to(server);
    EXPECT_TRUE(soon([&] { return static_cast<bool>(kept) && server.connections() == 0; }));
    kept.write_all("still here\n");
    EXPECT_EQ(peer.read_line({.timeout = 20s}), "still here");
  });
}

TEST(server, a_handlers_exception_is_reported_and_ends_nothing_else) {
  const reports reported;
  in_fiber([] {
    int served = 0;
    tcp_server server("127.0.0.1", 0, [&](stream& peer) {
      if (++served == 1) throw std::runtime_error("the first goes wrong");
      if (served == 2) throw 42;
      echo_lines(peer);
    });
    server.start();
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(connect_to(server).read_all({.timeout = 20s}), "");
    stream third = connect_to(server);
    third.write_all("fine\n");
    EXPECT_EQ(third.read_line({.timeout = 20s}), "fine");
    EXPECT_TRUE(server.stop(0s) == false);
  });
  const auto texts = reported.texts();
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_TRUE(texts[0].starts_with("tcp_server's handler of 127.0.0.1:")) << texts[0];
  EXPECT_TRUE(texts[0].ends_with(": the first goes wrong")) << texts[0];
}

TEST(server, a_thousand_connections_at_once) {
  rlimit files;
  ::getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 2200) {
    if (files.rlim_max < 2200) GTEST_SKIP() << "only " << files.rlim_max << " descriptors here";
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  in_fiber([] {
    constexpr int count = 1000;
    tcp_server server("127.0.0.1", 0, echo_lines);
    server.start();
    int together = 0, right = 0;
    promise<void> all_here;
    std::vector<task<void>> clients;
    for (int i = 0; i < count; ++i)
      clients.push_back(spawn([&, i] {
        stream peer = connect_to(server);
        const std::string text = "line " + std::to_string(i);
        peer.write_all(text + "\n");
        if (peer.read_line({.timeout = 60s}) == text) ++right;
        if (++together == count) all_here.set_value();
        all_here.get_future().wait();
        peer.write_all("again\n");
        if (peer.read_line({.timeout = 60s}) == "again") ++right;
      }));
    all_here.get_future().wait_for(120s);
    EXPECT_EQ(server.connections(), static_cast<std::size_t>(count));
    EXPECT_EQ(joinall(clients, {.timeout = 120s, .raise_error = true}).size(), clients.size());
    EXPECT_EQ(right, 2 * count);
  });
}

TEST(server, a_full_pool_stops_accepting) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, echo_lines, {.max_connections = 2});
    server.start();
    std::vector<stream> peers;
    for (int i = 0; i < 4; ++i) {
      peers.push_back(connect_to(server));
      peers.back().write_all("here\n");
    }
    EXPECT_EQ(peers[0].read_line({.timeout = 20s}), "here");
    EXPECT_EQ(peers[1].read_line({.timeout = 20s}), "here");
    EXPECT_EQ(error_code_of([&] { (void)peers[2].read_line({.timeout = 10ms}); }), ETIMEDOUT);
    EXPECT_EQ(server.connections(), 2u);
    peers[1].close();
    EXPECT_EQ(peers[2].read_line({.timeout = 20s}), "here");
    EXPECT_EQ(error_code_of([&] { (void)peers[3].read_line({.timeout = 10ms}); }), ETIMEDOUT);
    peers[0].close();
    EXPECT_EQ(peers[3].read_line({.timeout = 20s}), "here");
    // Full, it can be stopped as well.
    EXPECT_FALSE(server.stop(0s));
  });
}

TEST(server, accepts_a_bounded_number_between_other_fibers) {
  in_fiber([] {
    tcp_server server("127.0.0.1", 0, linger, {.max_accept = 3});
    std::vector<stream> peers;
    for (int i = 0; i < 30; ++i)
      peers.push_back(connect_to(server));
    server.start();
    std::size_t before = 0, most = 0;
    while (server.connections() < peers.size()) {
      yield();
      most = std::max(most, server.connections() - before);
      before = server.connections();
    }
    EXPECT_EQ(most, 3u);
  });
}

/// Connected without giving the server its turn.
stream connect_at_once(const tcp_server& server) {
  descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), server.local_address().data(), server.local_address().size()), 0);
  return stream(std::move(fd));
}

TEST(server, pauses_while_descriptors_are_short_and_says_so_once) {
  const reports reported;
  in_fiber([] {
    tcp_server server(
        "127.0.0.1", 0, echo_lines,
        {.min_delay = std::chrono::milliseconds(1), .max_delay = std::chrono::milliseconds(4)});
    server.start();
    stream first = connect_to(server);
    first.write_all("accepted\n");
    EXPECT_EQ(first.read_line({.timeout = 20s}), "accepted");
    for (int shortage = 0; shortage < 2; ++shortage) {
      stream late = connect_at_once(server);
      late.write_all("late\n");
      {
        const no_more_descriptors limit;
        EXPECT_EQ(error_code_of([&] { (void)late.read_line({.timeout = 30ms}); }), ETIMEDOUT);
        first.write_all("others go on\n");
        EXPECT_EQ(first.read_line({.timeout = 20s}), "others go on");
      }
      EXPECT_EQ(late.read_line({.timeout = 20s}), "late");
      late.close();
      EXPECT_TRUE(soon([&] { return server.connections() == 1; })); // its descriptor is free
    }
  });
  const auto texts = reported.texts();
  ASSERT_EQ(texts.size(), 2u);
  for (const std::string& text : texts) {
    EXPECT_TRUE(text.starts_with("tcp_server on 127.0.0.1:")) << text;
    EXPECT_TRUE(text.ends_with("weft: accept, pausing: Too many open files")) << text;
  }
}

TEST(server, stops_while_it_pauses) {
  const reports reported;
  in_fiber([&] {
    tcp_server server("127.0.0.1", 0, echo_lines,
                      {.min_delay = std::chrono::hours(1), .max_delay = std::chrono::hours(1)});
    server.start();
    const stream peer = connect_at_once(server);
    const no_more_descriptors limit;
    EXPECT_TRUE(soon([&] { return reported.count() == 1; }));
    EXPECT_TRUE(server.stop(0s));
  });
}

TEST(server, on_a_unix_path_which_it_removes_at_the_end) {
  in_fiber([] {
    const scratch_directory scratch;
    const std::string path = scratch.path("socket");
    tcp_server server(socket_address::unix_path(path), echo_lines);
    server.start();
    stream peer = connect_unix(path);
    peer.write_all("unix\n");
    EXPECT_EQ(peer.read_line({.timeout = 20s}), "unix");
    server.stop(0s);
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
    EXPECT_EQ(server.local_address().path(), path);
  });
}

TEST(server, leaves_a_path_alone_that_is_another_servers_now) {
  in_fiber([] {
    const scratch_directory scratch;
    const std::string path = scratch.path("socket"), kept = scratch.path("kept");
    tcp_server first(socket_address::unix_path(path), echo_lines);
    ::rename(path.c_str(), kept.c_str());
    tcp_server second(socket_address::unix_path(path), echo_lines);
    first.stop();
    EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  });
}

TEST(server, on_a_socket_that_listens_already) {
  in_fiber([] {
    for (const bool non_blocking : {false, true}) {
      descriptor listening = listen_tcp("127.0.0.1", 0);
      const owned_fd same{::dup(listening.get())};
      if (non_blocking) ::fcntl(same, F_SETFL, ::fcntl(same, F_GETFL) | O_NONBLOCK);
      tcp_server server(std::move(listening), echo_lines);
      server.start();
      stream peer = connect_to(server);
      peer.write_all("given\n");
      EXPECT_EQ(peer.read_line({.timeout = 20s}), "given");
      EXPECT_EQ(blocking(same), !non_blocking);
      EXPECT_FALSE(server.stop(0s));
      EXPECT_EQ(blocking(same), !non_blocking);
    }
  });
}

TEST(server, several_threads_share_a_port) {
  // Which of them gets a connection is the kernel's choice.
  std::atomic<int> served = 0;
  std::atomic<std::uint16_t> port = 0;
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      in_fiber([&] {
        tcp_server server("127.0.0.1", port, [&](stream&) { ++served; }, {.reuse_port = true});
        port = server.local_address().port();
        server.start();
        while (!done)
          sleep(1ms);
      });
    });
    while (port == 0)
      std::this_thread::yield();
  }
  for (int i = 0; i < 60; ++i)
    EXPECT_EQ(connect_tcp("127.0.0.1", port, {.timeout = 20s}).read_all({.timeout = 20s}), "");
  done = true;
  for (auto& each : threads)
    each.join();
  EXPECT_EQ(served, 60);
}

} // namespace
} // namespace weft::test

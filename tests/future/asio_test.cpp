// SPDX-License-Identifier: BSL-1.0
#include "weft/asio.hpp"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "weft/weft.hpp"

using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::ip::tcp;
using local = asio::local::stream_protocol;

namespace {

/// With the io_context on a thread, and in a fiber.
class use_fiber : public testing::TestWithParam<bool> {
 protected:
  use_fiber() : work_(io.get_executor()) {
    if (GetParam())
      thread_.emplace(io);
    else
      poller_ = weft::spawn([this] { weft::run_in_fiber(io); });
  }
  ~use_fiber() override {
    thread_.reset();
    io.stop();
    if (poller_.valid()) poller_.join();
  }

  asio::io_context io;

 private:
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::optional<weft::io_context_thread> thread_;
  weft::task<void> poller_;
};

TEST_P(use_fiber, parks_the_fiber_until_the_operation_is_done) {
  std::string order;
  auto waits = [&](char name, std::chrono::milliseconds span) {
    asio::steady_timer timer(io, span);
    timer.async_wait(weft::use_fiber);
    order += name;
  };
  const auto before = std::chrono::steady_clock::now();
  auto slow = weft::spawn(waits, 's', 60ms);
  auto fast = weft::spawn(waits, 'f', 5ms);
  auto other = weft::spawn([&] { order += 'o'; });
  weft::joinall(slow, fast, other);
  EXPECT_EQ(order, "ofs");
  EXPECT_GE(std::chrono::steady_clock::now() - before, 60ms);
  slow.get();
}

TEST_P(use_fiber, echo_over_tcp) {
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  auto server = weft::spawn([&] {
    tcp::socket peer = acceptor.async_accept(weft::use_fiber);
    std::array<char, 100> data{};
    boost::system::error_code error;
    while (true) {
      const std::size_t n = peer.async_read_some(asio::buffer(data), weft::use_fiber(error));
      if (error) break;
      asio::async_write(peer, asio::buffer(data, n), weft::use_fiber);
    }
    EXPECT_EQ(error, asio::error::eof);
  });
  auto client = weft::spawn([&] {
    tcp::socket socket(io);
    socket.async_connect(acceptor.local_endpoint(), weft::use_fiber);
    for (int i = 0; i < 20; ++i) {
      const std::string text = "line " + std::to_string(i);
      EXPECT_EQ(asio::async_write(socket, asio::buffer(text), weft::use_fiber), text.size());
      std::string back(text.size(), ' ');
      EXPECT_EQ(asio::async_read(socket, asio::buffer(back), weft::use_fiber), text.size());
      EXPECT_EQ(back, text);
    }
  });
  client.get();
  server.get();
}

/// One whose peer is gone. asio waits for an event when the end was read before: one for each read.
local::socket at_its_end(asio::io_context& io) {
  local::socket a(io);
  local::socket b(io);
  asio::local::connect_pair(a, b);
  return a;
}

TEST_P(use_fiber, errors_are_thrown_or_kept) {
  weft::spawn([&] {
    char c = 0;
    const auto room = asio::buffer(&c, 1);
    auto first = at_its_end(io);
    try {
      asio::async_read(first, room, weft::use_fiber);
      ADD_FAILURE() << "nothing to read";
    } catch (const boost::system::system_error& e) {
      EXPECT_EQ(e.code(), asio::error::eof);
    }
    auto second = at_its_end(io);
    boost::system::error_code error;
    EXPECT_EQ(asio::async_read(second, room, weft::use_fiber(error)), 0U);
    EXPECT_EQ(error, asio::error::eof);
    auto third = at_its_end(io);
    error = {};
    asio::async_read(third, room, asio::redirect_error(weft::use_fiber, error));
    EXPECT_EQ(error, asio::error::eof);
    auto fourth = at_its_end(io);
    const auto [told, n] = asio::async_read(fourth, room, asio::as_tuple(weft::use_fiber));
    EXPECT_EQ(told, asio::error::eof);
    EXPECT_EQ(n, 0U);
  }).get();
}

TEST_P(use_fiber, operations_without_a_result) {
  weft::spawn([&] { asio::post(io, weft::use_fiber); }).get();
}

TEST_P(use_fiber, cancelling_the_fiber_cancels_the_operation) {
  local::socket a(io);
  local::socket b(io);
  asio::local::connect_pair(a, b);
  auto reads = weft::spawn([&] {
    char data[10];
    asio::async_read(a, asio::buffer(data), weft::use_fiber);
  });
  auto waits = weft::spawn([&] {
    asio::steady_timer timer(io, 1h);
    timer.async_wait(weft::use_fiber);
  });
  weft::sleep(5ms);
  reads.kill();
  waits.kill();
  EXPECT_TRUE(reads.was_cancelled());
  EXPECT_TRUE(waits.was_cancelled());
  // The socket can be used again.
  weft::spawn([&] {
    asio::async_write(b, asio::buffer("x", 1), weft::use_fiber);
    char c = 0;
    asio::async_read(a, asio::buffer(&c, 1), weft::use_fiber);
    EXPECT_EQ(c, 'x');
  }).get();
}

TEST_P(use_fiber, a_time_out_cancels_the_operation) {
  weft::spawn([&] {
    asio::steady_timer timer(io, 1h);
    const weft::timeout_scope limit{5ms};
    try {
      timer.async_wait(weft::use_fiber);
      ADD_FAILURE() << "an hour is over";
    } catch (const weft::timeout_expired& e) {
      EXPECT_EQ(e.scope(), &limit);
    }
  }).get();
}

TEST_P(use_fiber, an_operation_that_ends_before_it_is_cancelled_is_not_lost) {
  std::size_t got = 0;
  auto t = weft::spawn([&] {
    // One that cannot be cancelled: its handler's slot is not looked at.
    got = asio::async_initiate<const weft::use_fiber_t&, void(boost::system::error_code, int)>(
        [this](auto handler) {
          std::thread([this, h = std::move(handler)]() mutable {
            std::this_thread::sleep_for(10ms);
            asio::post(io, [h2 = std::move(h)]() mutable { h2(boost::system::error_code(), 5); });
          }).detach();
        },
        weft::use_fiber);
    weft::yield(); // here
    ADD_FAILURE() << "the request was lost";
  });
  weft::yield();
  t.kill();
  EXPECT_EQ(got, 5u);
  EXPECT_TRUE(t.was_cancelled());
}

INSTANTIATE_TEST_SUITE_P(io_context, use_fiber, testing::Bool(),
                         [](const auto& i) { return i.param ? "on_a_thread" : "in_a_fiber"; });

TEST(use_fiber, on_a_thread_without_a_hub) {
  asio::io_context io;
  const weft::io_context_thread runs(io);
  std::thread([&] {
    asio::steady_timer timer(io, 2ms);
    timer.async_wait(weft::use_fiber);
    EXPECT_FALSE(weft::current().valid());
  }).join();
}

#if !defined(__SANITIZE_ADDRESS__) // the timer cannot be destroyed any more, which is a leak
TEST(use_fiber, an_io_context_that_goes_breaks_its_promise) {
  auto io = std::make_unique<asio::io_context>();
  auto timer = std::make_unique<asio::steady_timer>(*io, 1h);
  auto t = weft::spawn([&] { timer->async_wait(weft::use_fiber); });
  weft::yield();
  auto* const gone = timer.release(); // asio destroys what waits before the timer itself
  io.reset();
  static_cast<void>(gone);
  EXPECT_THROW(t.get(), weft::broken_promise);
}
#endif

TEST(use_fiber, in_a_callback_is_refused) {
  asio::io_context io;
  bool refused = false;
  weft::call_later(0ms, [&] {
    asio::steady_timer timer(io, 1h);
    try {
      timer.async_wait(weft::use_fiber);
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  weft::sleep(2ms);
  EXPECT_TRUE(refused);
}

} // namespace

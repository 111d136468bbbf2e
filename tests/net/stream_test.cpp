// SPDX-License-Identifier: BSL-1.0
#include "weft/stream.hpp"

#include <fcntl.h>
#include <sys/time.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "tests/io/fibers.hpp"
#include "tests/net/errors.hpp"
#include "weft/pipe.hpp"

namespace weft::test {
namespace {

TEST(stream, read_some_gives_what_is_there_and_0_at_the_end) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    a.write_all("abc");
    std::array<char, 2> two{};
    EXPECT_EQ(b.read_some(two), 2u);
    EXPECT_EQ(std::string(two.data(), 2), "ab");
    std::array<std::byte, 8> bytes{};
    EXPECT_EQ(b.read_some(bytes), 1u);
    EXPECT_EQ(bytes[0], std::byte{'c'});
    EXPECT_EQ(b.read_some(std::span<char>()), 0u);
    auto reader = spawn([&, &b = b] { return b.read_some(two); });
    yield();
    EXPECT_FALSE(reader.done());
    a.close();
    EXPECT_EQ(reader.get(), 0u);
  });
}

TEST(stream, read_exactly_in_pieces) {
  in_fiber([] {
    for (const std::size_t size : {1u, 10u, 4095u, 4096u, 5000u, 200'000u}) {
      auto [a, b] = make_stream_pair();
      const std::string sent = pattern(size + 3);
      auto writer = spawn([&, &a = a] {
        for (std::size_t at = 0; at < sent.size();) {
          const std::size_t n = std::min<std::size_t>(1 + at / 2, sent.size() - at);
          a.write_all(std::string_view(sent).substr(at, n));
          at += n;
          yield();
        }
      });
      EXPECT_EQ(b.read_exactly(size), sent.substr(0, size));
      EXPECT_EQ(b.read_exactly(3), sent.substr(size));
      writer.get();
    }
  });
}

TEST(stream, what_came_before_the_end_is_kept) {
  in_fiber([] {
    for (const std::size_t size : {10u, 100'000u}) {
      auto [a, b] = make_stream_pair();
      a.write_all("some\nmore");
      EXPECT_EQ(b.read_line(), "some");
      a.shutdown();
      std::string all(size, '\0');
      EXPECT_THROW(b.read_exactly(std::span<char>(all)), end_of_stream);
      EXPECT_EQ(b.buffered(), "more");
      EXPECT_THROW((void)b.read_until("\n"), end_of_stream);
      EXPECT_EQ(b.buffered(), "more");
      EXPECT_EQ(b.read_line(), "more");
      EXPECT_EQ(b.read_line(), std::nullopt);
    }
  });
}

TEST(stream, what_came_before_a_deadline_is_kept) {
  in_fiber([] {
    for (const std::size_t size : {100u, 100'000u}) {
      auto [a, b] = make_stream_pair();
      a.write_all("head ");
      EXPECT_EQ(error_code_of([&, &b = b] { (void)b.read_until("\n", {.timeout = 1ms}); }),
                ETIMEDOUT);
      const auto begun = clock::now();
      auto dripping = spawn([&, &a = a] {
        while (true) {
          a.write_all("x");
          sleep(2ms);
        }
      });
      EXPECT_EQ(error_code_of([&, &b = b] { (void)b.read_exactly(size, 15ms); }), ETIMEDOUT);
      EXPECT_GE(clock::now() - begun, 15ms); // for the call as a whole, though bytes came
      EXPECT_LT(clock::now() - begun, 5s);
      dripping.kill();
      a.write_all("end");
      a.close();
      const std::string all = b.read_all();
      EXPECT_TRUE(all.starts_with("head x")) << all;
      EXPECT_TRUE(all.ends_with("xend")) << all;
    }
  });
}

TEST(stream, what_came_before_a_cancellation_is_kept) {
  in_fiber([] {
    for (const std::size_t size : {100u, 100'000u}) {
      auto [a, b] = make_stream_pair();
      auto reader = spawn([&, &b = b] { (void)b.read_exactly(size); });
      a.write_all("kept");
      sleep(1ms);
      reader.kill();
      EXPECT_TRUE(reader.was_cancelled());
      EXPECT_EQ(b.buffered(), "kept");
    }
  });
}

TEST(stream, read_until_a_delimiter_that_comes_in_two) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    auto writer = spawn([&, &a = a] {
      for (const char* part : {"head: 1\r", "\n\r", "\nbody"}) {
        a.write_all(part);
        sleep(1ms);
      }
    });
    EXPECT_EQ(b.read_until("\r\n\r\n"), "head: 1\r\n\r\n");
    EXPECT_EQ(b.read_exactly(4), "body");
    EXPECT_THROW((void)b.read_until(""), std::invalid_argument);
    writer.get();
  });
}

TEST(stream, read_line_strips_both_kinds_of_ends) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    a.write_all("unix\ndos\r\n\n\r\nre\rst\r");
    a.close();
    std::vector<std::string> lines;
    while (auto line = b.read_line())
      lines.push_back(*line);
    EXPECT_EQ(lines, (std::vector<std::string>{"unix", "dos", "", "", "re\rst\r"}));
  });
}

TEST(stream, more_than_the_maximum_is_message_size) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    a.write_all("1234567\nrest");
    EXPECT_EQ(error_code_of([&, &b = b] { (void)b.read_line({.maximum = 7}); }), EMSGSIZE);
    EXPECT_EQ(b.buffered(), "1234567\nrest");
    EXPECT_EQ(b.read_line({.maximum = 8}), "1234567");
    EXPECT_EQ(error_code_of([&, &b = b] { (void)b.read_until("x", {.maximum = 4}); }), EMSGSIZE);
    a.close();
    EXPECT_EQ(error_code_of([&, &b = b] { (void)b.read_all({.maximum = 3}); }), EMSGSIZE);
    EXPECT_EQ(b.read_all({.maximum = 4}), "rest");
    // 64 KiB unless told otherwise.
    auto [c, d] = make_stream_pair();
    auto writer = spawn([&, &c = c] { c.write_all(std::string(70'000, 'x') + "\n"); });
    EXPECT_EQ(error_code_of([&, &d = d] { (void)d.read_line(); }), EMSGSIZE);
    EXPECT_EQ(d.read_line({.maximum = 80'000})->size(), 70'000u);
    writer.get();
  });
}

TEST(stream, huge_writes) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    const std::string sent = pattern(32 << 20);
    auto writer = spawn([&, &a = a] {
      a.write_all(sent, 60s);
      a.close();
    });
    const std::string got = b.read_all({.timeout = 60s});
    EXPECT_TRUE(got == sent);
    writer.get();
  });
}

TEST(stream, a_write_that_nobody_reads_ends_by_its_deadline) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    const auto begun = clock::now();
    EXPECT_EQ(error_code_of([&, &a = a] { a.write_all(std::string(8 << 20, 'x'), 20ms); }),
              ETIMEDOUT);
    EXPECT_GE(clock::now() - begun, 20ms);
  });
}

TEST(stream, writing_to_a_closed_peer_is_epipe_and_no_signal) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    b.close();
    EXPECT_EQ(error_code_of([&, &a = a] { a.write_all("x"); }), EPIPE);
  });
}

TEST(stream, close_during_read_and_write_gives_ebadf) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    auto reader = spawn([&, &a = a] { return error_code_of([&] { (void)a.read_line(); }); });
    auto writer = spawn(
        [&, &a = a] { return error_code_of([&] { a.write_all(std::string(8 << 20, 'x')); }); });
    sleep(1ms);
    a.close();
    EXPECT_EQ(reader.get(), EBADF);
    EXPECT_EQ(writer.get(), EBADF);
    EXPECT_FALSE(a);
    EXPECT_EQ(error_code_of([&, &a = a] { a.write_all("x"); }), EBADF);
    EXPECT_EQ(error_code_of([&, &a = a] { (void)a.read_line(); }), EBADF);
    EXPECT_EQ(error_code_of([&, &a = a] { a.shutdown(); }), EBADF);
  });
}

TEST(stream, errors_name_the_call_and_the_descriptor) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    try {
      (void)a.read_line({.timeout = 1ms});
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::timed_out);
      EXPECT_EQ(std::string(e.what()),
                "weft: read(" + std::to_string(a.fd()) + "): Connection timed out");
    }
  });
}

TEST(stream, two_readers_or_two_writers_are_refused) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    auto reader = spawn([&, &a = a] { return a.read_line(); });
    auto writer = spawn([&, &a = a] { a.write_all(std::string(8 << 20, 'x')); });
    yield();
    char c;
    EXPECT_THROW((void)a.read_line(), std::logic_error);
    EXPECT_THROW(a.read_some({&c, 1}), std::logic_error);
    EXPECT_THROW(a.write_all("y"), std::logic_error);
    b.write_all("line\n");
    EXPECT_EQ(reader.get(), "line"); // undisturbed
    EXPECT_EQ(b.read_exactly(8 << 20), std::string(8 << 20, 'x'));
    writer.get();
    a.write_all("z");
    EXPECT_EQ(b.read_exactly(1), "z");
  });
}

TEST(stream, release_gives_the_descriptor_away) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    a.write_all("one\ntwo\n");
    EXPECT_EQ(b.read_line(), "one");
    EXPECT_THROW((void)b.release(), std::logic_error);
    EXPECT_EQ(b.read_line(), "two");
    const int number = b.fd();
    const descriptor fd = b.release();
    EXPECT_EQ(fd.get(), number);
    EXPECT_EQ(b.fd(), -1);
    EXPECT_EQ(io::write(fd.get(), "x", 1), 1);
    EXPECT_EQ(a.read_exactly(1), "x");
  });
}

TEST(stream, moves_with_what_it_has_read) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    a.write_all("one\ntwo\n");
    EXPECT_EQ(b.read_line(), "one");
    stream other = std::move(b);
    EXPECT_EQ(b.fd(), -1);
    EXPECT_EQ(b.buffered(), "");
    EXPECT_EQ(other.read_line(), "two");
    b = std::move(other);
    a.write_all("three\n");
    EXPECT_EQ(b.read_line(), "three");
  });
}

TEST(stream, that_is_non_blocking_waits_all_the_same) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    for (const int fd : {a.fd(), b.fd()})
      ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    const std::string sent = pattern(4 << 20);
    auto writer = spawn([&, &a = a] { a.write_all(sent); });
    EXPECT_EQ(b.read_exactly(sent.size()), sent);
    writer.get();
    EXPECT_EQ(error_code_of([&, &b = b] { (void)b.read_exactly(1, 5ms); }), ETIMEDOUT);
    EXPECT_FALSE(blocking(b.fd()));
  });
}

TEST(stream, honours_the_sockets_own_time_out) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    const timeval limit{0, 5000};
    ::setsockopt(a.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(error_code_of([&, &a = a] { (void)a.read_line(); }), EAGAIN);
  });
}

TEST(stream, a_read_from_the_buffer_is_no_switch_point) {
  in_fiber([] {
    auto [a, b] = make_stream_pair();
    a.write_all("1\n2\n");
    auto reader = spawn([&, &b = b] {
      EXPECT_EQ(b.read_line(), "1");
      current().cancel();
      EXPECT_EQ(b.read_line(), "2");
      EXPECT_THROW((void)b.read_line(), cancelled);
    });
    reader.get();
  });
}

TEST(stream, on_threads_without_a_hub) {
  auto [a, b] = make_stream_pair();
  const std::string sent = pattern(2 << 20);
  std::thread writer([&, &a = a] { a.write_all(sent); });
  EXPECT_EQ(b.read_exactly(sent.size(), 30s), sent);
  writer.join();
  EXPECT_EQ(error_code_of([&, &b = b] { (void)b.read_line({.timeout = 1ms}); }), ETIMEDOUT);
}

} // namespace
} // namespace weft::test

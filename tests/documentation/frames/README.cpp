// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

namespace program {
//< example >
} // namespace program

TEST(documentation, readme_first_program) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(program::main(), 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(),
            "start hello\nstart world\nfinish world\nfinish hello\nhello world\n");
}

std::string fetch_page() {
  weft::yield();
  return "page";
}
int measure() {
  return 4;
}
std::vector<int> shown;
void show(int value) {
  shown.push_back(value);
}

TEST(documentation, readme_results_of_many) {
  const auto download = [](std::chrono::milliseconds delay, int value) {
    weft::sleep(delay);
    return value;
  };
  const std::vector downloads{weft::spawn(download, 20ms, 1), weft::spawn(download, 0ms, 2)};
  //< example >
  EXPECT_EQ(page, "page");
  EXPECT_EQ(size, 4);
  EXPECT_EQ(shown, (std::vector{2, 1}));
}

int handled = 0;
void handle(const std::string& job) {
  EXPECT_EQ(job, "job");
  weft::yield();
  ++handled;
}

TEST(documentation, readme_queue) {
  const std::vector<std::string> all_jobs(1000, "job");
  //< example >
  EXPECT_EQ(handled, 1000);
}

int count_links(const std::string& page) {
  return static_cast<int>(page.size());
}

TEST(documentation, readme_workers) {
  const std::vector<std::string> pages(100, "abc");
  //< example >
  EXPECT_EQ(found, 300);
}

std::string reported;
void report(const std::optional<std::string>& line) {
  reported = line.value_or("nothing");
}

void ask(const std::string& host, std::uint16_t port) {
  //< example >
}

TEST(documentation, readme_limit) {
  bool answers = true;
  weft::tcp_server server("127.0.0.1", 0, [&](weft::stream& peer) {
    EXPECT_EQ(peer.read_line(), "status");
    if (!answers) weft::sleep(1h);
    peer.write_all("well\n");
  });
  server.start();
  ask("127.0.0.1", server.local_address().port());
  EXPECT_EQ(reported, "well");
  answers = false;
  ask("127.0.0.1", server.local_address().port()); // takes the example's 5 s
  EXPECT_EQ(reported, "no answer");
  server.stop(0s);
}

namespace on_a_free_port {

weft::promise<weft::socket_address> where;

/// What the page calls weft, but its servers take a port that is free.
namespace weft {
using namespace ::weft;
struct tcp_server : ::weft::tcp_server {
  template <class F>
  tcp_server(const char* host, std::uint16_t, F&& handler)
      : ::weft::tcp_server(host, 0, std::forward<F>(handler)) {
    where.set_value(local_address());
  }
};
} // namespace weft

void serve() {
  //< example >
}

} // namespace on_a_free_port

TEST(documentation, readme_server) {
  const auto serving = weft::spawn(on_a_free_port::serve);
  weft::stream guest = weft::connect_to(on_a_free_port::where.get_future().get());
  guest.write_all("hello\n");
  EXPECT_EQ(guest.read_line(), "you said: hello");
  serving.kill();
}

std::string finished;
void fetch_with_curl(const std::string& url) {
  ::usleep(20'000);
  finished += url;
}
void ask_postgresql(const std::string& query) {
  ::usleep(1000);
  finished += query;
}
void block_in_libraries(const std::string& url, const std::string& query) {
  //< example >
}

// In a process of its own, which stays patched.
TEST(documentation, readme_patch) {
  EXPECT_EXIT(
      {
        block_in_libraries("page", "rows");
        std::_Exit(finished == "rowspage" ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

} // namespace

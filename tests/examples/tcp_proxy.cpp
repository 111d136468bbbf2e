// SPDX-License-Identifier: BSL-1.0
// Passes TCP connections on to another address, and ends those on which nothing has moved for some
// time:
//
//     tcp_proxy PORT TARGET_HOST TARGET_PORT [IDLE_SECONDS]
#include <array>
#include <chrono>
#include <csignal>
#include <iostream>
#include <string>
#include <system_error>
#include <weft/weft.hpp>

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

namespace {

/// When something last moved in either direction, and how long ago that may be.
struct activity {
  steady::duration idle;
  steady::time_point last = steady::now();
};

/// Reads some; 0 at the end. Throws std::errc::timed_out once neither direction has moved for too
/// long: who only listens to a long answer is not idle.
std::size_t read_some(weft::stream& from, std::span<char> to, const activity& both) {
  while (true) {
    const auto end = both.last + both.idle;
    try {
      return from.read_some(to, end);
    } catch (const std::system_error& e) {
      if (e.code() != std::errc::timed_out || both.last + both.idle <= end) throw;
    }
  }
}

/// One direction, until its end, which is passed on.
void copy(weft::stream& from, weft::stream& to, activity& both) {
  std::array<char, 16384> part;
  while (const std::size_t n = read_some(from, part, both)) {
    both.last = steady::now();
    to.write_all({part.data(), n}, both.idle);
  }
  to.shutdown();
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: tcp_proxy PORT TARGET_HOST TARGET_PORT [IDLE_SECONDS]\n";
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(std::stoi(argv[1]));
  const auto target_port = static_cast<std::uint16_t>(std::stoi(argv[3]));
  const std::chrono::duration<double> idle(argc > 4 ? std::stod(argv[4]) : 60);

  const auto pass_on = [&](weft::stream& client, const weft::socket_address& peer) {
    try {
      weft::stream target = weft::connect_tcp(argv[2], target_port, {.timeout = 5s});
      activity both{std::chrono::duration_cast<steady::duration>(idle)};
      weft::task_group directions; // one that fails ends the other
      directions.spawn([&] { copy(client, target, both); });
      directions.spawn([&] { copy(target, client, both); });
      directions.join();
    } catch (const std::exception& e) {
      std::cerr << peer.to_string() << ": " << e.what() << '\n';
    }
  };

  const weft::signal_set stop{SIGTERM, SIGINT};
  weft::tcp_server server("127.0.0.1", port, pass_on);
  server.start();
  std::cout << server.local_address().to_string() << std::endl;
  stop.wait();
  server.stop(5s);
}

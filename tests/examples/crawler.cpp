// SPDX-License-Identifier: BSL-1.0
// Fetches a site's pages, following its links, a few at a time:
//
//     crawler HOST PORT [AT_A_TIME]
#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <mutex>
#include <set>
#include <string>
#include <weft/weft.hpp>

using namespace std::chrono_literals;

namespace {

struct page {
  int status = 0;
  std::string body;
};

/// One GET, by a connection of its own. Throws std::runtime_error.
page fetch(const std::string& host, std::uint16_t port, const std::string& path) {
  weft::stream peer = weft::connect_tcp(host, port, {.timeout = 5s});
  peer.write_all("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
  const std::string head = peer.read_until("\r\n\r\n", {.timeout = 5s});
  page got;
  if (head.size() < 12 || std::from_chars(&head[9], &head[12], got.status).ec != std::errc())
    throw std::runtime_error("no HTTP answer");
  got.body = peer.read_all({.maximum = 10'000'000, .timeout = 30s});
  return got;
}

/// The paths of `href="/..."`. (std::regex recurses for each character: not in a fiber's 60 KiB.)
std::set<std::string> links_of(const std::string& html) {
  std::set<std::string> paths;
  const std::string before = "href=\"";
  for (auto at = html.find(before); at != std::string::npos; at = html.find(before, at)) {
    at += before.size();
    const std::string path = html.substr(at, html.find_first_of("\"#", at) - at);
    if (path.starts_with('/')) paths.insert(path);
  }
  return paths;
}

class crawl {
 public:
  crawl(std::string host, std::uint16_t port, int at_a_time)
      : host_(std::move(host)), port_(port), fetching_(at_a_time) {}

  /// Until no page is left. Fibers of one thread need no lock for what they share: nothing else
  /// runs between two calls that wait.
  void run(const std::string& start) {
    found(start);
    visits_.join();
    std::cout << seen_.size() << " pages, " << broken_ << " broken, at most " << most_
              << " at a time\n";
  }

 private:
  void found(const std::string& path) {
    if (seen_.insert(path).second) visits_.spawn([this, path] { visit(path); });
  }

  void visit(const std::string& path) {
    const std::lock_guard permit(fetching_);
    most_ = std::max(most_, ++now_);
    try {
      const page got = fetch(host_, port_, path);
      std::cout << got.status << ' ' << path << ' ' << got.body.size() << '\n';
      if (got.status != 200) ++broken_;
      for (const std::string& link : links_of(got.body))
        found(link);
    } catch (const std::exception& e) {
      std::cout << "--- " << path << ' ' << e.what() << '\n';
      ++broken_;
    }
    --now_;
  }

  const std::string host_;
  const std::uint16_t port_;
  std::set<std::string> seen_;
  int now_ = 0, most_ = 0, broken_ = 0;
  weft::semaphore fetching_;
  weft::task_group visits_;
};

} // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: crawler HOST PORT [AT_A_TIME]\n";
    return 2;
  }
  const auto port = static_cast<std::uint16_t>(std::stoi(argv[2]));
  crawl(argv[1], port, argc > 3 ? std::stoi(argv[3]) : 4).run("/");
}

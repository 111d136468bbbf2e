// SPDX-License-Identifier: BSL-1.0
// http_file_server DIRECTORY PORT: serves files by HTTP/1.1 until SIGTERM or SIGINT.
#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>
#include <sstream>
#include <weft/weft.hpp>

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

struct bad_request {};
struct request {
  std::string method = {}, target = {};
  bool keep_alive = true;
};

/// The next request of a connection. A body is not read: the connection ends after the answer.
request read_request(weft::stream& peer) {
  std::istringstream head(peer.read_until("\r\n\r\n", {.maximum = 8192, .timeout = 30s}));
  request asked;
  std::string version, line;
  head >> asked.method >> asked.target >> version;
  asked.keep_alive = version == "HTTP/1.1";
  if (!std::getline(head, line) || line != "\r" || !version.starts_with("HTTP/1.") ||
      (asked.method != "GET" && asked.method != "HEAD"))
    throw bad_request();
  while (std::getline(head, line) && line != "\r") {
    if (line.find(':') == std::string::npos) throw bad_request();
    std::transform(line.begin(), line.end(), line.begin(), ::tolower);
    for (const char* last : {"connection: close", "content-length:", "transfer-encoding:"})
      if (line.starts_with(last)) asked.keep_alive = false;
  }
  return asked;
}

/// "/a%20b?x" to "/a b".
std::string decoded(std::string_view target) {
  std::string path;
  for (std::size_t i = 0; i < target.size() && target[i] != '?'; ++i) {
    unsigned char c = static_cast<unsigned char>(target[i]);
    if (c == '%') {
      const auto hex = target.substr(i + 1, 2);
      if (std::from_chars(hex.begin(), hex.end(), c, 16).ptr != hex.begin() + 2)
        throw bad_request();
      i += 2;
    }
    path += static_cast<char>(c);
  }
  if (!path.starts_with('/') || path.find('\0') != path.npos) throw bad_request();
  return path;
}

/// The file that is meant, symbolic links resolved; empty if there is none inside of `root`.
fs::path file_of(const fs::path& root, const std::string& target) {
  std::error_code error;
  fs::path file = fs::canonical(root / decoded(target).substr(1), error);
  if (fs::is_directory(file, error)) file = fs::canonical(file / "index.html", error);
  const bool inside = file.native().starts_with((root / "").native());
  return inside && fs::is_regular_file(file, error) ? file : fs::path();
}

void send_head(weft::stream& peer, const request& asked, const std::string& status,
               const std::string& type = "text/plain", std::uintmax_t size = 0) {
  const std::string length = "\r\nContent-Length: " + std::to_string(size);
  const std::string end = asked.keep_alive ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n";
  peer.write_all("HTTP/1.1 " + status + "\r\nContent-Type: " + type + length + end, 30s);
}

const std::map<fs::path, const char*> content_types{
    {".html", "text/html"}, {".txt", "text/plain"}, {".css", "text/css"}, {".png", "image/png"}};

void answer(weft::stream& peer, const request& asked, const fs::path& root) {
  const fs::path path = file_of(root, asked.target);
  const weft::descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return send_head(peer, asked, "404 Not Found");
  const auto type = content_types.find(path.extension());
  auto left = fs::file_size(path);
  send_head(peer, asked, "200 OK",
            type == content_types.end() ? "application/octet-stream" : type->second, left);
  std::string part(65536, '\0');
  while (asked.method == "GET" && left > 0) {
    const auto n = weft::io::read(file.get(), part.data(), std::min(left, part.size()));
    if (n <= 0) throw std::runtime_error("the file has become shorter");
    peer.write_all({part.data(), static_cast<std::size_t>(n)}, 30s);
    left -= static_cast<std::size_t>(n);
  }
}

void serve(weft::stream& peer, const fs::path& root) {
  try {
    for (request asked; asked.keep_alive;)
      answer(peer, asked = read_request(peer), root);
  } catch (const bad_request&) {
    send_head(peer, {.keep_alive = false}, "400 Bad Request");
  } catch (const std::runtime_error&) { // no further request, or gone, or silent for too long
  }
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::cerr << "usage: http_file_server DIRECTORY PORT\n", 2;
  const fs::path root = fs::canonical(argv[1]);
  const auto port = static_cast<std::uint16_t>(std::stoi(argv[2]));
  const weft::signal_set stop{SIGTERM, SIGINT};
  weft::tcp_server server("127.0.0.1", port, [&](weft::stream& peer) { serve(peer, root); });
  server.start();
  std::cout << "http://" << server.local_address().to_string() << "/" << std::endl;
  stop.wait();
  server.stop(2s); // what is being sent may be finished; who is idle then is cut off
}

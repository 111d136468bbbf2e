// SPDX-License-Identifier: BSL-1.0
//
// A load generator that checks what it gets: one thread, one epoll. It opens idle and active
// connections with one checked echo each, lets the active ones play ping-pong, checks every idle
// one again, and prints one line of JSON. Any broken connection, wrong byte or stall is reported
// and makes the exit status 1.

#include "bench/echo/latency_histogram.hpp"
#include "bench/echo/options.hpp"
#include "bench/echo/server_process.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

enum class state { unopened, connecting, awaiting_echo, quiet, broken };

struct connection {
  int fd = -1;
  state now = state::unopened;
  std::size_t received = 0;
  std::uint64_t sequence = 0;
  clock_type::time_point sent;
};

class load {
 public:
  explicit load(const echo::options& chosen)
      : options_(chosen), connections_(chosen.idle + chosen.active),
        epoll_(epoll_create1(EPOLL_CLOEXEC)), wanted_(chosen.size), got_(chosen.size) {}

  int run() {
    const auto began = clock_type::now();
    memory_before_ = echo::memory_of(options_.server);
    open_all();
    const double opening = seconds(clock_type::now() - began).count();
    const double cpu_before = echo::processor_seconds_of(options_.server);
    const double playing = ping_pong();
    const double cpu = echo::processor_seconds_of(options_.server) - cpu_before;
    memory_ = echo::memory_of(options_.server);
    check_idle();
    report(opening, playing, cpu);
    return errors_ == 0 ? 0 : 1;
  }

 private:
  static constexpr auto stall_limit = std::chrono::seconds(15);

  // The message is different for each connection and each round, so that bytes which come back
  // on the wrong connection, late or twice are seen.
  void fill_wanted(const connection& c) {
    std::uint64_t x = (static_cast<std::uint64_t>(&c - connections_.data()) << 32) + c.sequence;
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      if (i % 8 == 0) x = (x ^ (x >> 29)) * 0x9e3779b97f4a7c15U + 1;
      wanted_[i] = static_cast<char>(x >> (i % 8 * 8));
    }
  }

  void fail(connection& c, const std::string& why) {
    if (++errors_ <= 10) {
      std::fprintf(stderr, "load_client: connection %td, echo %llu: %s\n", &c - connections_.data(),
                   static_cast<unsigned long long>(c.sequence), why.c_str());
    }
    if (c.now == state::connecting || c.now == state::awaiting_echo) --pending_;
    if (c.fd >= 0) close(c.fd);
    c.fd = -1;
    c.now = state::broken;
  }

  void fail_errno(connection& c, const char* call, int error = errno) {
    fail(c, std::string(call) + ": " + std::strerror(error));
  }

  void begin_open(connection& c) {
    const std::size_t index = static_cast<std::size_t>(&c - connections_.data());
    c.now = state::connecting;
    ++pending_;
    c.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c.fd < 0) return fail_errno(c, "socket");
    // One address has some 28,000 ports; several sources lift that, and choosing the port at
    // connect() instead of bind() keeps them reusable.
    const int one = 1;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(0x7f000002U + static_cast<std::uint32_t>(index % 8));
    if (bind(c.fd, reinterpret_cast<sockaddr*>(&source), sizeof source) != 0)
      return fail_errno(c, "bind");
    sockaddr_in target{};
    target.sin_family = AF_INET;
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    target.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    if (connect(c.fd, reinterpret_cast<sockaddr*>(&target), sizeof target) != 0 &&
        errno != EINPROGRESS)
      return fail_errno(c, "connect");
    watch(c, EPOLL_CTL_ADD, EPOLLOUT);
  }

  void watch(connection& c, int operation, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &c;
    if (epoll_ctl(epoll_, operation, c.fd, &event) != 0) fail_errno(c, "epoll_ctl");
  }

  void finish_open(connection& c) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return fail_errno(c, "connect", error);
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    if (c.now == state::broken) return;
    --pending_;
    send_next(c);
  }

  void send_next(connection& c) {
    ++c.sequence;
    fill_wanted(c);
    c.received = 0;
    c.now = state::awaiting_echo;
    ++pending_;
    c.sent = clock_type::now();
    const ssize_t sent = send(c.fd, wanted_.data(), wanted_.size(), MSG_NOSIGNAL);
    if (sent < 0) return fail_errno(c, "send");
    if (static_cast<std::size_t>(sent) != wanted_.size()) fail(c, "the message was sent in part");
  }

  // True when the whole echo has come.
  bool receive(connection& c) {
    const ssize_t n = recv(c.fd, got_.data(), got_.size(), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n < 0) return fail_errno(c, "recv"), false;
    if (n == 0) return fail(c, "closed by the server"), false;
    const auto size = static_cast<std::size_t>(n);
    if (c.now != state::awaiting_echo || c.received + size > wanted_.size())
      return fail(c, "more bytes came back than were sent"), false;
    fill_wanted(c);
    if (std::memcmp(got_.data(), wanted_.data() + c.received, size) != 0)
      return fail(c, "the bytes that came back are not those that were sent"), false;
    c.received += size;
    if (c.received < wanted_.size()) return false;
    c.now = state::quiet;
    --pending_;
    return true;
  }

  // Handles what is ready, calling done(c) for each echo that is complete. False after a stall.
  template <class Done>
  bool turn(Done done) {
    epoll_event events[256];
    const int count = epoll_wait(epoll_, events, 256, 200);
    const auto now = clock_type::now();
    for (int i = 0; i < count; ++i) {
      auto& c = *static_cast<connection*>(events[i].data.ptr);
      if (c.now == state::broken) continue;
      if (c.now == state::connecting) {
        finish_open(c);
      } else if (receive(c)) {
        done(c);
      }
    }
    if (count > 0) last_event_ = now;
    if (now - last_event_ < stall_limit) return true;
    errors_ += pending_;
    std::fprintf(stderr, "load_client: %zu connections got no answer for 15 s\n", pending_);
    return false;
  }

  // Starts the connections [first, last) by begin(c), at most in_flight at a time, and waits
  // until each has had its echo.
  template <class Begin>
  void batch(const char* phase, std::size_t first, std::size_t last, Begin begin) {
    last_event_ = clock_type::now();
    for (std::size_t next = first; next < last || pending_ > 0;) {
      while (next < last && pending_ < options_.in_flight) {
        if (connections_[next].now != state::broken) begin(connections_[next]);
        ++next;
      }
      progress(phase, next - first - pending_, last - first);
      if (pending_ > 0 && !turn([](connection&) {})) return;
    }
    progress(phase, last - first, last - first, true);
  }

  void open_all() {
    batch("open", 0, connections_.size(), [this](connection& c) { begin_open(c); });
  }

  void check_idle() {
    batch("recheck", 0, options_.idle, [this](connection& c) { send_next(c); });
  }

  double ping_pong() {
    const auto began = clock_type::now();
    const auto end =
        began + std::chrono::duration_cast<clock_type::duration>(seconds(options_.seconds));
    last_event_ = began;
    // With a number of requests to make, that counts and not the time.
    std::size_t left = options_.requests;
    const auto send_another = [&](connection& c, clock_type::time_point now) {
      if (options_.requests == 0 ? now >= end : left == 0) return;
      --left;
      send_next(c);
    };
    for (std::size_t i = options_.idle; i < connections_.size(); ++i)
      if (connections_[i].now == state::quiet) send_another(connections_[i], began);
    const auto played = [&](connection& c) {
      const auto now = clock_type::now();
      latencies_.record(static_cast<std::uint64_t>((now - c.sent).count()));
      send_another(c, now);
    };
    while (pending_ > 0 && turn(played))
      progress("active", static_cast<std::size_t>(latencies_.count()), 0);
    progress("active", static_cast<std::size_t>(latencies_.count()), 0, true);
    return seconds(clock_type::now() - began).count();
  }

  void progress(const char* phase, std::size_t done, std::size_t total, bool end = false) {
    const auto now = clock_type::now();
    if (!options_.progress || (!end && now - last_progress_ < std::chrono::milliseconds(200)))
      return;
    last_progress_ = now;
    std::fprintf(stderr, "%s %zu %zu%s\n", phase, done, total, end ? " done" : "");
  }

  void report(double opening, double playing, double cpu) const {
    const auto requests = latencies_.count();
    const auto microseconds = [this](double q) {
      return static_cast<double>(latencies_.quantile(q)) / 1000;
    };
    std::printf("{\"connections\": %zu, \"connections_per_second\": %.0f, \"requests\": %llu, "
                "\"requests_per_second\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
                "\"p999_us\": %.1f, \"server_cpu_us_per_request\": %.3f, \"errors\": %zu",
                connections_.size(), static_cast<double>(connections_.size()) / opening,
                static_cast<unsigned long long>(requests), static_cast<double>(requests) / playing,
                microseconds(0.5), microseconds(0.99), microseconds(0.999),
                requests == 0 ? 0 : cpu * 1e6 / static_cast<double>(requests), errors_);
    std::printf(", \"server_resident_kib\": [%ld, %ld], \"server_page_tables_kib\": [%ld, %ld], "
                "\"server_threads\": [%ld, %ld]",
                memory_before_.resident_kib, memory_.resident_kib, memory_before_.page_table_kib,
                memory_.page_table_kib, memory_before_.kernel_threads, memory_.kernel_threads);
    std::printf(", \"latency_us\": [");
    const char* separator = "";
    for (const double q :
         {0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0}) {
      std::printf("%s[%g, %.1f]", separator, q, microseconds(q));
      separator = ", ";
    }
    std::printf("]}\n");
  }

  echo::options options_;
  std::vector<connection> connections_;
  int epoll_;
  std::vector<char> wanted_;
  std::vector<char> got_;
  std::size_t pending_ = 0; // connections that are connecting or wait for an echo
  std::size_t errors_ = 0;
  clock_type::time_point last_event_;
  clock_type::time_point last_progress_;
  echo::latency_histogram latencies_;
  echo::process_memory memory_before_; // the server's, without connections
  echo::process_memory memory_;        // with all of them, after the load
};

} // namespace

int main(int argc, char** argv) {
  const echo::options chosen = echo::parse_options(argc, argv);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  return load(chosen).run();
}

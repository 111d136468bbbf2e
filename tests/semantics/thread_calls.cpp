// SPDX-License-Identifier: BSL-1.0
#include <netinet/in.h>

#include <atomic>
#include <cerrno>
#include <future>

#include "tests/semantics/blocking_calls.hpp"

using weft::detail::blocking_call;

namespace blocking {
namespace {

/// One thread, which is busy, and one place in the queue, which is taken.
struct full_pool {
  std::promise<void> may_end;
  weft::thread_pool pool{{.max_threads = 1, .queue_capacity = 1}};

  weft::future<void> running, queued, refused;

  full_pool() {
    std::promise<void> began;
    running = pool.submit([&began, end = may_end.get_future().share()] {
      began.set_value();
      end.wait();
    });
    began.get_future().wait();
    queued = pool.submit([] {});
  }
  full_pool(const full_pool&) = delete;
  full_pool& operator=(const full_pool&) = delete;
  ~full_pool() { may_end.set_value(); }
};

/// All threads are busy that weft has for its own calls on files and names.
class busy_threads {
 public:
  busy_threads() {
    for (int i = 0; i < count; ++i)
      jobs_.push_back(weft::spawn([this] {
        weft::offload([this] {
          ++running_;
          over_.wait(false);
        });
      }));
    while (running_ < count)
      weft::sleep(std::chrono::milliseconds(1));
  }
  busy_threads(const busy_threads&) = delete;
  busy_threads& operator=(const busy_threads&) = delete;
  ~busy_threads() {
    over_ = true;
    over_.notify_all();
    weft::joinall(jobs_);
  }

  bool offload(weft::deadline limit) {
    return weft::offload(limit, [] {});
  }
  bool getaddrinfo(weft::deadline limit) {
    addrinfo* found = nullptr;
    return in_time(weft::io::getaddrinfo("localhost", nullptr, nullptr, &found, limit));
  }
  bool getnameinfo(weft::deadline limit) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    char name[NI_MAXHOST];
    return in_time(weft::io::getnameinfo(reinterpret_cast<const sockaddr*>(&address),
                                         sizeof address, name, sizeof name, nullptr, 0, 0, limit));
  }
  bool stat(weft::deadline limit) {
    struct ::stat status {};
    return in_time(weft::io::stat("/", &status, limit));
  }

 private:
  static bool in_time(int result) { return result == 0 || errno != ETIMEDOUT; }

  static constexpr int count = 128;
  std::atomic<int> running_ = 0;
  std::atomic<bool> over_ = false;
  std::vector<weft::task<void>> jobs_;
};

std::vector<variant> while_busy(blocking_call call, const char* name,
                                bool (busy_threads::*of)(weft::deadline),
                                bool blocks_threads = true) {
  return {{call, name,
           [of] {
             return in<busy_threads>(
                 [of](busy_threads& b) { (b.*of)(weft::deadline::never()); },
                 [of](busy_threads& b, weft::deadline limit) { return (b.*of)(limit); });
           },
           true, blocks_threads}};
}

} // namespace

std::vector<variant> thread_variants(blocking_call call) {
  switch (call) {
  case blocking_call::executor_submit:
    return {{call, "thread_pool_submit", [] {
               return in<full_pool>([](full_pool& p) { p.refused = p.pool.submit([] {}); },
                                    [](full_pool& p, weft::deadline limit) {
                                      return p.pool.try_submit_for(limit, [] {}).has_value();
                                    });
             }}};
  case blocking_call::executor_shutdown:
    return {{call, "thread_pool_shutdown", [] {
               return in<full_pool>(
                   [](full_pool& p) { p.pool.shutdown(); },
                   [](full_pool& p, weft::deadline limit) { return p.pool.shutdown(limit); });
             }}};
  case blocking_call::offload:
    return while_busy(call, "offload", &busy_threads::offload, false);
  case blocking_call::io_getaddrinfo:
    return while_busy(call, "getaddrinfo", &busy_threads::getaddrinfo);
  case blocking_call::io_getnameinfo:
    return while_busy(call, "getnameinfo", &busy_threads::getnameinfo);
  case blocking_call::io_file_system:
    return while_busy(call, "stat", &busy_threads::stat);
  default:
    return {};
  }
}

} // namespace blocking

// SPDX-License-Identifier: BSL-1.0
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
  default:
    return {};
  }
}

} // namespace blocking

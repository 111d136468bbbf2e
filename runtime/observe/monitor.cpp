// SPDX-License-Identifier: BSL-1.0
#include "weft/monitor.hpp"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "runtime/observe/sample_thread.hpp"
#include "runtime/sched/error_report.hpp"
#include "runtime/sched/helper_thread.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/process.hpp"

namespace weft {
namespace detail {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t frames_in_report = 32;

void write_to_stderr(const slow_report& report) {
  const std::string text = "weft: " + (report.culprit.empty() ? "something" : report.culprit) +
                           " keeps hub " + std::to_string(report.hub) + " (thread " +
                           std::to_string(report.thread) + ") for " +
                           std::to_string(report.duration.count()) + " ms now\n" + report.stack;
  // One write, so that lines of several threads do not mix; nothing can be done if it fails.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

} // namespace

/// Looks at all hubs twice in the time allowed: one whose loop has not had its turn since the look
/// before, and does not sleep, is kept by somebody.
class watcher {
 public:
  explicit watcher(const monitor_options& options) : options_(options) {
    if (!options_.report) options_.report = &write_to_stderr;
  }

  void run() {
    watch();
    const std::lock_guard held(mutex_);
    ended_ = true;
    changed_.notify_all();
  }

  void stop() {
    if (::getpid() != process_) return; // its thread was the parent's, and may have held the mutex
    std::unique_lock held(mutex_);
    stopping_ = true;
    changed_.notify_all();
    if (std::this_thread::get_id() == thread_) return;
    changed_.wait(held, [&] { return ended_; });
  }

 private:
  struct look {
    std::uint64_t turns = 0;
    clock::time_point since;
    bool reported = false;
  };

  void watch() {
    const sampling handled;
    std::unique_lock held(mutex_);
    thread_ = std::this_thread::get_id();
    const auto period = std::max(options_.max_blocking_time / 2, milliseconds(1));
    while (!stopping_) {
      held.unlock();
      look_at_all();
      held.lock();
      changed_.wait_for(held, period, [&] { return stopping_; });
    }
  }

  void look_at_all() {
    std::map<std::uint32_t, look> now;
    for (const kept_hub& h : all_hubs()) {
      const auto time = clock::now();
      const std::uint64_t turns = h->turns();
      const auto before = looks_.find(h->number());
      const bool stands = before != looks_.end() && before->second.turns == turns && !h->sleeps();
      look& l = now[h->number()];
      l = stands ? before->second : look{.turns = turns, .since = time};
      if (!l.reported && time - l.since >= options_.max_blocking_time)
        l.reported = report(*h, l, time);
    }
    looks_ = std::move(now);
  }

  /// False if there is nothing to be reported of what it does.
  bool report(hub& h, const look& l, clock::time_point time) {
    const auto seen = sample_thread(h, l.turns);
    if (h.turns() != l.turns || (seen && seen->alone)) return false;
    slow_report r{.hub = h.number(),
                  .thread = h.thread_id(),
                  .duration = std::chrono::duration_cast<milliseconds>(time - l.since)};
    if (seen) {
      r.culprit = seen->culprit;
      r.stack = describe(seen->trace, frames_in_report, "    at ");
    }
    try {
      options_.report(r);
    } catch (...) {
      report_error("a blocking_monitor's report", std::current_exception());
    }
    return true;
  }

  monitor_options options_;
  const pid_t process_ = ::getpid();
  std::map<std::uint32_t, look> looks_; // by hub; of the thread
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread::id thread_;
  bool stopping_ = false;
  bool ended_ = false;
};

} // namespace detail

blocking_monitor::blocking_monitor(const monitor_options& options) {
  if (options.max_blocking_time <= std::chrono::milliseconds(0))
    throw std::invalid_argument("weft: a blocking_monitor needs a time above zero to allow");
  const auto made = std::make_shared<detail::watcher>(options);
  detail::start_helper_thread([made] { made->run(); });
  watcher_ = made;
}

blocking_monitor& blocking_monitor::operator=(blocking_monitor&& other) noexcept {
  std::swap(watcher_, other.watcher_);
  return *this;
}

blocking_monitor::~blocking_monitor() {
  if (watcher_) watcher_->stop();
}

namespace {

[[gnu::constructor]] void start_by_environment() {
  const char* const wish = std::getenv("WEFT_MAX_BLOCKING_TIME");
  if (!wish || !*wish) return;
  char* end = nullptr;
  const long allowed = std::strtol(wish, &end, 10);
  if (*end != 0 || allowed <= 0) {
    std::fprintf(stderr,
                 "weft: WEFT_MAX_BLOCKING_TIME=%s is no number of milliseconds above zero; "
                 "ignored\n",
                 wish);
    return;
  }
  try { // for as long as the process lives
    new blocking_monitor({.max_blocking_time = std::chrono::milliseconds(allowed)});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "weft: cannot watch for WEFT_MAX_BLOCKING_TIME: %s\n", e.what());
  }
}

} // namespace
} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
class watcher;
}

/// A hub whose thread was kept for too long: no other fiber ran meanwhile.
struct slow_report {
  std::uint32_t hub = 0; // number, as in `dump`
  int thread = 0;        // the kernel's number
  /// By whom: "fiber NAME", "a callback"; empty if that could not be seen.
  std::string culprit = {};
  /// For how long so far; it may go on.
  std::chrono::milliseconds duration{0};
  /// What it does at the moment, as `dump` writes it: a line for each frame.
  std::string stack = {};
};

struct monitor_options {
  /// How long a fiber or callback may run without a switch point.
  std::chrono::milliseconds max_blocking_time{100};
  /// Called with each report, on the monitor's thread: it may not use fibers. Null: one text on
  /// standard error for each.
  std::function<void(const slow_report&)> report = {};
};

/// While it exists, a thread of weft's watches all hubs, and reports each fiber and callback that
/// computes, or blocks its thread by other means than weft's, for longer than it may: once each
/// time, while it does so, with its stack. Model: gevent's monitor thread (max_blocking_time),
/// asyncio's debug mode (slow_callback_duration).
///
///     const weft::blocking_monitor watching({.max_blocking_time = 50ms});
///
/// To see the stack the monitor sends the thread SIGURG, which is harmless where nobody handles it,
/// and whose disposition it restores at its end; a system call in which the thread blocks is
/// restarted, if it is one that can be, or ends with EINTR. A tool for development: what is
/// reported may be off by half the time allowed, and fibers that follow each other without the
/// loop's having a turn (16 at most, if they are slow) count as one.
///
/// Without one nothing is watched, and nothing is paid. With WEFT_MAX_BLOCKING_TIME set in the
/// environment (milliseconds) there is one, which reports to standard error, from the start of the
/// process to its end. A forked child has none. A thread's own fiber is reported only while its hub
/// has others. Not for programs under the patch, where the monitor is a green thread as well. Any
/// thread; several may exist. Throws std::invalid_argument for a time that is not above zero,
/// std::system_error if there is no thread to be had. The destructor waits for a report in
/// progress.
class [[nodiscard]] blocking_monitor {
 public:
  explicit blocking_monitor(const monitor_options& options = {});
  blocking_monitor(blocking_monitor&&) noexcept = default;
  blocking_monitor& operator=(blocking_monitor&& other) noexcept;
  ~blocking_monitor();

 private:
  std::shared_ptr<detail::watcher> watcher_;
};

} // namespace weft

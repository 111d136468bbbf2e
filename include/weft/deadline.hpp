// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <type_traits>

namespace [[gnu::visibility("default")]] weft {

/// Until when something may take: never ends, a span counted from the call, or a point in time.
///
/// Whatever waits in weft takes one of these, and is given a std::chrono duration or time point:
///
///     task.join(500ms);
///     weft::sleep(std::chrono::steady_clock::now() + 2s);
///     weft::joinall(tasks, {.timeout = 1s});
///
/// A span begins anew at each call that the object is passed to. A negative span, and a point in
/// the past, mean "do not wait". Spans too long for 63 bits of nanoseconds mean "for ever". A
/// point on a clock other than steady_clock is turned into a span when the call begins; setting
/// that clock afterwards has no effect. Default-made it is `weft::deadline::never()`.
class deadline {
 public:
  constexpr deadline() noexcept = default;

  template <class Rep, class Period>
  constexpr deadline(std::chrono::duration<Rep, Period> span) noexcept
      : kind_(kind::span), value_(saturate(span)) {}

  template <class Clock, class Duration>
  constexpr deadline(std::chrono::time_point<Clock, Duration> point) noexcept {
    if constexpr (std::is_same_v<Clock, std::chrono::steady_clock>) {
      kind_ = kind::point;
      value_ = saturate(point.time_since_epoch());
    } else {
      kind_ = kind::span;
      value_ = saturate(point - Clock::now());
    }
  }

  [[nodiscard]] static constexpr deadline never() noexcept { return {}; }

  /// Whether it never comes.
  [[nodiscard]] constexpr bool is_never() const noexcept { return value_ == INT64_MAX; }

  /// The same as nanoseconds on steady_clock (CLOCK_MONOTONIC), INT64_MAX if it never comes; a
  /// span is counted from `now`. A span of zero or less gives 0: not waiting at all.
  [[nodiscard]] constexpr std::int64_t at(std::int64_t now) const noexcept {
    if (is_never()) return INT64_MAX;
    if (value_ <= 0) return 0;
    if (kind_ == kind::point) return value_;
    return value_ >= INT64_MAX - now ? INT64_MAX : now + value_;
  }

  /// `at(now)` with the clock's own now.
  [[nodiscard]] std::int64_t absolute() const noexcept {
    if (is_never()) return INT64_MAX;
    if (kind_ == kind::point || value_ <= 0) return at(0);
    return at(std::chrono::duration_cast<std::chrono::nanoseconds>(
                  std::chrono::steady_clock::now().time_since_epoch())
                  .count());
  }

 private:
  enum class kind : std::uint8_t { span, point };

  template <class Duration>
  static constexpr std::int64_t saturate(Duration d) noexcept {
    const auto seconds = std::chrono::duration_cast<std::chrono::duration<double>>(d).count();
    if (!(seconds < 9.2e9)) return INT64_MAX;
    if (seconds <= 0) return 0;
    return std::chrono::ceil<std::chrono::nanoseconds>(d).count();
  }

  kind kind_ = kind::span;
  std::int64_t value_ = INT64_MAX;
};

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>

#include "runtime/core/reactor.hpp"
#include "weft/detail/blocking_call.hpp"

namespace weft {
class hub;
}

namespace weft::io {

/// A fiber's wait for any of several descriptors. One turn:
///
///     many.begin(i, fd, events) for each;  // before looking
///     look at all without waiting; if one is ready, done
///     many.wait(deadline);                 // until one may be
class wait_many {
 public:
  wait_many(hub& h, std::size_t count);

  /// The i-th waits for `events` of `fd`, which may be negative (ignored).
  void begin(std::size_t i, int fd, core::io_events events) noexcept;

  /// None was ready: parks until one may be. 0, -ETIMEDOUT, or an error of registration. Throws
  /// what was requested of the fiber.
  int wait(core::nanoseconds until, detail::blocking_call call);

 private:
  struct one : core::io_waiter {
    std::uint32_t ticket = 0;
  };
  int queue_all();
  void remove_all() noexcept;

  hub& hub_;
  std::size_t count_;
  static constexpr std::size_t inline_count = 4;
  one few_[inline_count];
  std::unique_ptr<one[]> many_;
  one* all_;
};

} // namespace weft::io

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/io_uring.h>

#include <cstdint>

#include "patch/kernel/green.hpp"
#include "runtime/core/clock.hpp"

namespace weft::patch {

/// A small io_uring for the calls that know no flag for not waiting. Made when first
/// needed; where the kernel forbids it (containers often do) `open` fails once and for all.
class ring {
 public:
  ring() noexcept = default;

  /// Whether there is one, made now if need be.
  [[nodiscard]] bool open() noexcept;

  /// Performs `entry` for g, the caller, parked until it is done. The operation's result;
  /// -ETIME if `deadline` came first, -EINTR if a signal did: then it has been cancelled.
  long perform(green& g, io_uring_sqe entry, core::nanoseconds deadline) noexcept;

  /// In a fork's child: the parent's is not ours.
  void reset_after_fork() noexcept;

 private:
  struct operation {
    green* owner;
    long result = 0;
    bool done = false;
  };

  bool map() noexcept;
  bool submit(const io_uring_sqe& entry) noexcept;
  void harvest() noexcept;
  wakeup wait(green& g, core::nanoseconds deadline, bool interruptible) noexcept;

  int descriptor_ = -1;
  bool refused_ = false;
  io_uring_params layout_{};
  char* rings_ = nullptr;
  io_uring_sqe* entries_ = nullptr;
  std::size_t rings_size_ = 0;
};

} // namespace weft::patch

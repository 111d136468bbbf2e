// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/io_ring.hpp"

namespace weft::patch {

/// A small io_uring for the calls that know no flag for not waiting. It makes them as if their
/// open file had O_NONBLOCK, and nothing is left in it afterwards: what is under way in a ring
/// would interrupt the kernel thread that submitted it in whatever call that sleeps in.
/// Made when first needed; where the kernel forbids it (containers often do) it is never asked
/// again.
class ring {
 public:
  ring() noexcept = default;

  /// Whether there is one, made now if need be.
  [[nodiscard]] bool open() noexcept;

  /// Makes the call that `entry` describes. Its result, or -EAGAIN if it would have waited. -ENOSYS
  /// if the ring can't be used.
  long attempt(io_uring_sqe entry) noexcept;

  /// From now on there is none: the kernel would kill whoever used it.
  void refuse() noexcept {
    ring_.close();
    refused_ = true;
  }

  /// In a fork's child: the parent's is not ours.
  void reset_after_fork() noexcept { ring_.close(); }

 private:
  bool submit(const io_uring_sqe& entry) noexcept;
  bool harvest(long& result) noexcept;

  io_ring ring_;
  bool refused_ = false;
};

} // namespace weft::patch

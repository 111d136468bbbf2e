// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/io_uring.h>

#include <cstddef>
#include <cstdint>

namespace weft::patch {

/// An io_uring: its descriptor, which is kept where weft's are, and the memory shared with the
/// kernel. For one user at a time.
class io_ring {
 public:
  io_ring() noexcept = default;

  /// Makes one. 0 or -errno: containers often forbid it.
  long open(unsigned entries, unsigned flags) noexcept;
  /// Whether another try may turn out better: there was no descriptor left, or no memory.
  [[nodiscard]] static bool may_work_later(long error) noexcept;
  void close() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }

  /// Puts a request into the queue. False: `enter` first.
  bool push(const io_uring_sqe& entry) noexcept;
  /// Takes the last one out again, which the kernel has not taken.
  void take_back() noexcept;
  /// Gives what was pushed to the kernel, and waits until at least `least` requests are complete.
  /// How many the kernel took, or -errno.
  long enter(unsigned least) noexcept;
  /// Takes out what is complete. False: nothing is.
  bool pop(io_uring_cqe& completion) noexcept;

  /// Whether the kernel knows that request. (Linux before 5.6 does not tell, and knows few.)
  [[nodiscard]] bool knows(unsigned operation) noexcept;

  /// io_uring_register(2).
  long configure(unsigned what, const void* argument, unsigned count) noexcept;

 private:
  bool map() noexcept;
  std::uint32_t& word_at(std::uint32_t offset) noexcept {
    return *reinterpret_cast<std::uint32_t*>(rings_ + offset);
  }

  int descriptor_ = -1;
  io_uring_params layout_{};
  char* rings_ = nullptr;
  io_uring_sqe* entries_ = nullptr;
  std::size_t rings_size_ = 0;
};

} // namespace weft::patch

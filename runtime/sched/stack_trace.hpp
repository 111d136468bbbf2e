// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <string>

#include "weft/detail/state.hpp"

namespace weft::detail {

/// Return addresses, innermost first. Made without allocating.
class stack_trace {
 public:
  static constexpr std::size_t capacity = 64;

  void add(const void* address) noexcept {
    if (count_ < capacity) addresses_[count_++] = address;
  }
  void clear() noexcept { count_ = 0; }
  [[nodiscard]] bool full() const noexcept { return count_ == capacity; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] const void* operator[](std::size_t i) const noexcept { return addresses_[i]; }

 private:
  const void* addresses_[capacity];
  std::size_t count_ = 0;
};

/// The stack of a fiber of the calling thread's hub: as it was left, if it is suspended, or from
/// here on, if it is the one that runs. Through generators. Empty if it has not started, or where
/// frames cannot be read (other than x86-64).
stack_trace trace_of(const state& fiber) noexcept;
/// In a signal handler: that of whoever was interrupted.
stack_trace trace_of_interrupted() noexcept;

/// A line for each frame, indented by `indent`: function and offset, else module and offset, for
/// addr2line. Without weft's own at either end. At most `most`.
std::string describe(const stack_trace& trace, std::size_t most, const char* indent);

} // namespace weft::detail

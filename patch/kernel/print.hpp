// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

/// One line for standard error, or another descriptor, written in one piece when the printer
/// goes. Neither allocates nor calls libc; what is too long for its room is cut.
class line_printer {
 public:
  explicit line_printer(int descriptor = 2) noexcept
      : line_printer(descriptor, own_, sizeof own_) {}
  /// With room for `size` bytes, which is the caller's.
  line_printer(int descriptor, char* room, unsigned size) noexcept
      : descriptor_(descriptor), text_(room), size_(size) {}
  line_printer(const line_printer&) = delete;
  line_printer& operator=(const line_printer&) = delete;
  ~line_printer();

  line_printer& operator<<(const char* text) noexcept;
  line_printer& operator<<(std::uint64_t number) noexcept;
  line_printer& operator<<(std::int64_t number) noexcept;
  line_printer& operator<<(unsigned number) noexcept { return *this << std::uint64_t{number}; }
  line_printer& operator<<(int number) noexcept { return *this << std::int64_t{number}; }
  /// In hexadecimal.
  line_printer& operator<<(const void* address) noexcept;

 private:
  void put(char c) noexcept;
  int descriptor_;
  char* text_;
  unsigned size_;
  unsigned length_ = 0;
  char own_[512];
};

} // namespace weft::patch

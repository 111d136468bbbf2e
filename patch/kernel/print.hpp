// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

/// One line for standard error, or another descriptor, written in one piece when the printer
/// goes. Neither allocates nor calls libc; what is too long is cut.
class line_printer {
 public:
  explicit line_printer(int descriptor = 2) noexcept : descriptor_(descriptor) {}
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
  char text_[512];
  unsigned length_ = 0;
};

} // namespace weft::patch

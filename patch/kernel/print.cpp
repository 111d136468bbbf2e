// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/print.hpp"

#include <sys/syscall.h>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

line_printer::~line_printer() {
  text_[length_++] = '\n';
  raw_syscall(SYS_write, descriptor_, text_, length_);
}

void line_printer::put(char c) noexcept {
  if (length_ < size_ - 1) text_[length_++] = c;
}

line_printer& line_printer::operator<<(const char* text) noexcept {
  while (*text)
    put(*text++);
  return *this;
}

line_printer& line_printer::operator<<(std::uint64_t number) noexcept {
  char digits[20];
  int n = 0;
  do
    digits[n++] = static_cast<char>('0' + number % 10);
  while (number /= 10);
  while (n)
    put(digits[--n]);
  return *this;
}

line_printer& line_printer::operator<<(std::int64_t number) noexcept {
  if (number >= 0) return *this << static_cast<std::uint64_t>(number);
  put('-');
  return *this << (~static_cast<std::uint64_t>(number) + 1);
}

line_printer& line_printer::operator<<(const void* address) noexcept {
  const auto value = reinterpret_cast<std::uintptr_t>(address);
  *this << "0x";
  int shift = 60;
  while (shift > 0 && !(value >> shift))
    shift -= 4;
  for (; shift >= 0; shift -= 4)
    put("0123456789abcdef"[(value >> shift) & 15]);
  return *this;
}

} // namespace weft::patch

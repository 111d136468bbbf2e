// SPDX-License-Identifier: BSL-1.0
//
// The compiler calls these four for copies and comparisons of its own. libc's would use vector
// registers, which the patch must leave to the program, and while libc's text is being rewritten it
// cannot run. `rep movsb` is fast on everything since 2013 (ERMS), and what the patch copies is
// small. The version script keeps them to the library.

#include <cstddef>

extern "C" {

void* memcpy(void* to, const void* from, std::size_t size) {
  void* result = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}

void* memmove(void* to, const void* from, std::size_t size) {
  const auto distance = reinterpret_cast<std::size_t>(to) - reinterpret_cast<std::size_t>(from);
  if (distance >= size) return memcpy(to, from, size);
  auto* last_to = static_cast<char*>(to) + size - 1;
  auto* last_from = static_cast<const char*>(from) + size - 1;
  asm volatile("std\n\trep movsb\n\tcld"
               : "+D"(last_to), "+S"(last_from), "+c"(size)
               :
               : "memory", "cc");
  return to;
}

void* memset(void* to, int value, std::size_t size) {
  void* result = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
  return result;
}

int memcmp(const void* left, const void* right, std::size_t size) {
  const auto* a = static_cast<const unsigned char*>(left);
  const auto* b = static_cast<const unsigned char*>(right);
  for (; size; --size, ++a, ++b)
    if (*a != *b) return *a - *b;
  return 0;
}
}

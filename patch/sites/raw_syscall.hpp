// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <type_traits>

/// How the patch reaches the kernel: by an instruction of its own, never through libc,
/// whose system calls lead back here. Sites in our own object are not rewritten.
namespace weft::patch {

namespace detail {

template <class T>
[[gnu::always_inline]] inline long syscall_argument(T value) noexcept {
  if constexpr (std::is_pointer_v<T>)
    return reinterpret_cast<long>(value);
  else if constexpr (std::is_null_pointer_v<T>)
    return 0;
  else
    return static_cast<long>(value);
}

[[gnu::always_inline]] inline long raw_syscall6(long nr, long a, long b, long c, long d, long e,
                                                long f) noexcept {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

} // namespace detail

/// Performs system call `nr`. Arguments may be integers (extended by their own
/// signedness), enums or pointers. Returns what the kernel returns: on failure -errno.
template <class A = int, class B = int, class C = int, class D = int, class E = int, class F = int>
[[gnu::always_inline]] inline long raw_syscall(long nr, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0,
                                               F f = 0) noexcept {
  using detail::syscall_argument;
  return detail::raw_syscall6(nr, syscall_argument(a), syscall_argument(b), syscall_argument(c),
                              syscall_argument(d), syscall_argument(e), syscall_argument(f));
}

/// Whether a result of raw_syscall is -errno.
[[nodiscard]] constexpr bool is_error(long result) noexcept {
  return static_cast<unsigned long>(result) >= static_cast<unsigned long>(-4095L);
}

} // namespace weft::patch

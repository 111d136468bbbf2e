// SPDX-License-Identifier: BSL-1.0
// A library that is loaded while threads run: it has thread-local variables, and makes system calls
// of its own, already in its constructor.
#include <sys/syscall.h>

namespace {

long make_call(long number, long a, long b, long c) {
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "0"(number), "D"(a), "S"(b), "d"(c)
               : "rcx", "r11", "memory");
  return result;
}

thread_local int counter = 100;
thread_local char large[5000] = {1};
long thread_of_constructor = make_call(SYS_gettid, 0, 0, 0);

} // namespace

extern "C" {

int count_up() {
  large[sizeof large - 1] = static_cast<char>(counter);
  return ++counter;
}

int large_is_mine() {
  return large[0] == 1 && large[sizeof large - 1] == static_cast<char>(counter - 1);
}

// With the number as a constant, and without.
long read_by_itself(int fd, void* to, unsigned long size) {
  long result;
  asm volatile("mov $0, %%eax; syscall"
               : "=&a"(result)
               : "D"(fd), "S"(to), "d"(size)
               : "rcx", "r11", "memory");
  return result;
}
long call_by_itself(long number, long a, long b, long c) {
  return make_call(number, a, b, c);
}

long tid_in_constructor() {
  return thread_of_constructor;
}

} // extern "C"

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/sched.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "patch/kernel/machine.hpp"

/// The patch's kernel and calls with several workers, as plain code in a program: real kernel
/// threads, the real lock, monitor, futexes and reactor, and green threads that are born by clone3,
/// make their calls by `call` and exit. What a sanitizer could not follow is replaced where it is
/// joined on, and nowhere else:
///
/// - the thread pointer stays the kernel thread's (seam/patch/kernel/thread_pointer.hpp);
/// - kernel threads are begun and ended by libc (kernel_threads.cpp);
/// - each switch of threads is told to ThreadSanitizer (switches.cpp).
namespace weft::patch {

/// A system call of the green thread that is running here, as libc would make it.
long call(long number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
          std::uint64_t d = 0, std::uint64_t e = 0, std::uint64_t f = 0) noexcept;
inline std::uint64_t address(const volatile void* p) noexcept {
  return reinterpret_cast<std::uint64_t>(p);
}

/// A process's green threads, of which the caller becomes the main one until the end.
class crew {
 public:
  explicit crew(unsigned workers);
  ~crew();
  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  /// A green thread that does that. By any of them.
  void start(std::function<void()> body);
  /// Waits until all those have ended.
  void join();

  [[nodiscard]] machine& m() noexcept { return the_machine(); }

 private:
  struct member;
  class books_guard;
  static void live(clone_args*, std::size_t, member* self) noexcept;

  green* main_ = nullptr;
  std::uint64_t mask_before_ = 0;
  std::atomic<bool> books_taken_{false};
  std::vector<std::unique_ptr<member>> members_;
};

/// How many of weft's there are. At a crew's end they are given time to end.
[[nodiscard]] unsigned kernel_threads() noexcept;

// What it is made of.

/// Where the handle of a context's fiber is kept: in its TLS, in a place that nobody uses.
inline void*& fiber_of(void* thread_pointer) noexcept {
  constexpr unsigned unused = 20;
  return static_cast<void**>(thread_pointer)[unused];
}
/// As ThreadSanitizer calls what runs here, or will run on a stack of its own. Null where it is
/// not.
[[nodiscard]] void* current_fiber() noexcept;
[[nodiscard]] void* new_fiber() noexcept;
void end_fiber(void* fiber) noexcept;

} // namespace weft::patch

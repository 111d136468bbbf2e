// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/thread_wait.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace weft::detail {

bool wait_on_thread(const std::atomic<std::uint32_t>& fired, core::nanoseconds until) noexcept {
  timespec deadline{};
  if (until != core::never) {
    deadline.tv_sec = until / 1'000'000'000;
    deadline.tv_nsec = until % 1'000'000'000;
  }
  while (fired.load(std::memory_order_acquire) == 0) {
    const long r =
        ::syscall(SYS_futex, &fired, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0,
                  until == core::never ? nullptr : &deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
    if (r < 0 && errno == ETIMEDOUT) return fired.load(std::memory_order_acquire) != 0;
  }
  return true;
}

void wake_thread(std::atomic<std::uint32_t>& fired) noexcept {
  fired.store(1, std::memory_order_release);
  // The thread may be gone by now: the address is only a number to the kernel.
  ::syscall(SYS_futex, &fired, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

} // namespace weft::detail

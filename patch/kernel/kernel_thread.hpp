// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

/// Kernel threads of weft's own: workers, the monitor, who waits in rings.
namespace weft::patch {

/// What a kernel thread of weft's needs that never runs green threads: a stack and TLS. False: no
/// memory. Made once; kept when the thread has ended.
[[nodiscard]] bool furnish_helper(std::size_t stack_size, void*& stack_top,
                                  void*& thread_pointer) noexcept;

/// Starts a kernel thread in `entry(argument)`, with all signals blocked. Its tid, or -errno;
/// *alive is made 1, and 0 when it has ended.
long start_kernel_thread(void* stack_top, void* thread_pointer, void (*entry)(void*),
                         void* argument, std::uint32_t* alive) noexcept;

/// Ends the calling kernel thread.
[[noreturn]] void end_kernel_thread() noexcept;

/// Waits until *alive is 0.
void wait_for_end(std::uint32_t* alive) noexcept;

} // namespace weft::patch

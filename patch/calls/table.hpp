// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/errors.hpp"
#include "patch/kernel/green.hpp"
#include "patch/kernel/machine.hpp"

/// Which system calls weft answers, and by what.
namespace weft::patch {

/// Answers one call of g's, the caller. Returns what the kernel would, or one of errors.hpp.
/// It holds to what a kernel may do: no malloc, no stdio, nothing of libc that enters the
/// kernel. Pointers in the frame are the program's.
using call_handler = long (*)(green& g, syscall_frame& frame) noexcept;

/// When a call is virtual at all.
enum class virtual_when : std::uint8_t {
  always, // the books must be kept even with one thread (signals, fork, descriptors' ends)
  active, // only while more than one green thread exists
};

struct call_entry {
  int number;
  virtual_when when;
  call_handler handler;
};

/// Switches the virtual calls on and off for a phase.
void set_virtual_calls(phase now) noexcept;

/// What is to be done when the second thread comes, or all but one are gone: for
/// machine::phase_changed.
void change_phase(phase now) noexcept;

/// Whether `number` is answered by weft at any time (for the patcher).
[[nodiscard]] bool is_virtual_ever(int number) noexcept;

/// The families' entries; each family is a file of its name.
struct call_family {
  const call_entry* entries;
  unsigned count;
};
extern const call_family time_calls, timer_calls, file_lock_calls, cpu_clock_calls, thread_calls,
    futex_calls, signal_calls, memory_calls, process_calls, descriptor_calls, transfer_calls,
    splice_calls, socket_calls, poll_calls, select_calls, epoll_calls, attribute_calls,
    scheduling_calls, ring_calls;

// The frame's arguments by type.
template <class T>
[[nodiscard]] inline T* pointer(std::uint64_t argument) noexcept {
  return reinterpret_cast<T*>(argument);
}
[[nodiscard]] inline int number(std::uint64_t argument) noexcept {
  return static_cast<int>(argument);
}

} // namespace weft::patch

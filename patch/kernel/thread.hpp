// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/sched.h>

#include "patch/kernel/green.hpp"
#include "patch/kernel/thread_pointer.hpp"

/// Birth and death of green threads.
namespace weft::patch {

/// clone or clone3 with CLONE_THREAD: makes a green thread that continues after the call in
/// `frame` with result 0 on the stack and thread pointer in `args`. Returns its tid, which
/// is what the creator gets, or -EAGAIN, -ENOMEM.
long create_thread(green& creator, const syscall_frame& frame, const clone_args& args) noexcept;

/// exit (not exit_group) of `g`, the caller.
[[noreturn]] void exit_thread(green& g, int status) noexcept;

/// What is left to do once `g` is off its stack: the kernel's part of pthread_join.
void finish_exit(green& g) noexcept;

/// First act of a new thread, on its own stack.
[[noreturn]] void begin_thread(green& g) noexcept;

/// The green thread with that tid, or null.
[[nodiscard]] green* find_thread(pid_t tid) noexcept;

/// Takes a thread into the books, or out of them.
void enroll(green& g) noexcept;
void strike_off(green& g) noexcept;

/// Turns the virtual calls on, as there is more than one thread.
void become_active() noexcept;
/// Turns them off again if g, the caller, is the main thread and the only one: it goes on alone,
/// on the initial kernel thread, and calls the kernel itself.
void become_single(green& g) noexcept;

/// In a fork's child: forgets all but g, whose tid the kernel has changed.
void keep_only(green& g) noexcept;

/// Distance of weft_self from the thread pointer: the same in every thread.
[[nodiscard]] inline std::ptrdiff_t self_offset() noexcept {
  return reinterpret_cast<const char*>(&weft_self) - static_cast<const char*>(thread_pointer());
}

/// TLS enough for weft's own code, in which `g` is self(): for a context that no thread of
/// the program's stands behind. Null if there is no memory.
[[nodiscard]] void* make_bare_tls(green& g) noexcept;

/// Makes the first random tid.
void seed_tids(std::uint64_t random) noexcept;

} // namespace weft::patch

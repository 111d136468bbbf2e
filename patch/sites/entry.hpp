// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "patch/sites/entry_layout.h"

/// What lies between a rewritten `syscall` instruction and the dispatcher.
///
/// The site jumps to its slot, the slot calls `weft_entry` (entry_x86_64.S). Calls that are
/// not virtual are made there and then, with nothing clobbered but rcx and r11, as by the
/// kernel, and not even a stack frame. The others get a syscall_frame and `weft_dispatch`.
/// No vector register is touched by the stub, and none may be by what it calls: the patch is
/// compiled with -mgeneral-regs-only.
///
/// An unwinder goes from the dispatcher through the stub into the caller of the `syscall`;
/// the stub's frame is marked as a signal frame, as what it interrupts is no call.
namespace weft::patch {

/// The registers at a virtual system call, as the kernel's pt_regs. `rax` is the call's
/// number on entry, the result on return. All but rcx, r11, user_rsp, resume and child_resume
/// are restored from here, so a dispatcher may change them.
struct alignas(16) syscall_frame {
  std::uint64_t rax, rdi, rsi, rdx, r10, r8, r9;
  std::uint64_t rbx, rbp, r12, r13, r14, r15;
  std::uint64_t rflags;
  std::uint64_t user_rsp;     ///< as the caller of the system call had it
  std::uint64_t resume;       ///< the address after the `syscall` in its object (kernel: rcx)
  std::uint64_t child_resume; ///< where to continue with rsp == user_rsp
};

/// What the stub asks of a thread; the head of a green thread's control block.
struct entry_state {
  std::uint8_t passthrough = 0; ///< nonzero: this thread's calls all go to the kernel
};

/// Which of as many lists as `futex_lists` the waiters of a futex word are in.
inline constexpr std::size_t futex_lists = std::size_t{1} << (64 - WEFT_FUTEX_HASH_SHIFT);
[[nodiscard]] inline std::size_t futex_list_index(const void* word) noexcept {
  return (reinterpret_cast<std::uintptr_t>(word) * WEFT_FUTEX_HASH) >> WEFT_FUTEX_HASH_SHIFT;
}

/// The dispatcher's answers.
enum class dispatch_result : int {
  done = 0,   ///< frame->rax is the result
  native = 1, ///< the kernel shall do it, with the frame's registers: weft_native
  /// The kernel shall do it (clone, clone3, vfork, fork with the frame's registers), whatever
  /// stack and memory the child will have. A child that shares this memory continues in the
  /// program at once, without a word to us. The parent, and a child with memory of its own, get
  /// weft_after_spawn first.
  spawn = 2,
};

/// What became of a wake of one waiter that was made without a frame.
enum class quick_wake : int {
  refused = 0, ///< nothing was done: it is to be dispatched
  done = 1,    ///< one was woken
  finish = 2,  ///< the same, and weft_finish_wake is to be called
};

} // namespace weft::patch

extern "C" {

/// The stub. Only trampolines call it.
[[gnu::visibility("hidden")]] void weft_entry();

/// Nonzero at n: system call n is virtual, and threads that have an entry_state dispatch it.
/// Defined with the stub; may be changed at any time by anyone.
[[gnu::visibility("hidden")]] extern std::uint8_t weft_virtual[WEFT_VIRTUAL_SIZE];

/// The lists of those that wait for futex words, by `futex_list_index`, each beginning with a
/// pointer that leads back to itself if it is empty: then the stub itself answers that a wake found
/// nobody, to a thread that has an entry_state, if futex(2) is virtual and one is to be woken. Of
/// wakes that may find somebody it asks weft_wake. Null: it shall not. May be set or made null at
/// any time.
[[gnu::visibility("hidden")]] extern std::atomic<const void*> weft_futex_lists;

/// This thread's state; null: its calls go to the kernel. Defined by the dispatcher's side.
/// constinit, so that its users need no initialisation wrapper.
[[gnu::visibility("hidden"),
  gnu::tls_model(
      "initial-exec")]] extern constinit thread_local weft::patch::entry_state* weft_self;

/// The dispatcher; runs on the caller's stack, below its red zone.
[[gnu::visibility("hidden")]] weft::patch::dispatch_result
weft_dispatch(weft::patch::syscall_frame* frame);

/// Wakes one that waits for `word`, if it is in `list`, which is not empty.
[[gnu::visibility("hidden")]] weft::patch::quick_wake weft_wake(const std::uint32_t* word,
                                                                void* list);
/// Does what is to be done at the end of the call, with the result in frame->rax.
[[gnu::visibility("hidden")]] void weft_finish_wake(weft::patch::syscall_frame* frame);

/// After dispatch_result::native: makes the call that the frame describes, and puts its result
/// there.
[[gnu::visibility("hidden")]] void weft_native(weft::patch::syscall_frame* frame);

/// After dispatch_result::spawn, in the parent and in a child with its own memory, with the
/// system call's result in frame->rax. In a child that was given a stack it runs on that.
[[gnu::visibility("hidden")]] void weft_after_spawn(weft::patch::syscall_frame* frame);

/// Becomes the thread that `frame` describes: all registers from it, rsp = user_rsp, and on at
/// child_resume. That is how a green thread begins: the frame is a copy of its creator's at
/// clone or clone3, with rax = 0 and user_rsp the new stack. The FS base is the caller's to set.
[[noreturn, gnu::visibility("hidden")]] void
weft_resume_frame(const weft::patch::syscall_frame* frame);

/// The stub's code is [weft_entry_begin, weft_entry_end). A signal that finds the instruction
/// pointer at weft_entry_native_fast came back from a call of the kernel that is not virtual.
[[gnu::visibility("hidden")]] extern const char weft_entry_begin[], weft_entry_end[];
[[gnu::visibility("hidden")]] extern const char weft_entry_native_fast[];
}

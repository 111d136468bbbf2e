// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/entry.hpp"

#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/syscall.h>

constinit std::uint8_t weft_virtual[WEFT_VIRTUAL_SIZE] = {};
constinit std::atomic<const void*> weft_futex_lists{nullptr};

namespace weft::patch {
namespace {

/// What parent and child of a vfork need to get back into the program, in a place that neither
/// the other's use of the one stack nor any register but rbx can touch.
struct spawn_record {
  std::uint64_t return_address;
  std::uint64_t rbx;
  spawn_record* previous;
};

static_assert(offsetof(syscall_frame, rax) == WEFT_FRAME_RAX);
static_assert(offsetof(syscall_frame, rdi) == WEFT_FRAME_RDI);
static_assert(offsetof(syscall_frame, rsi) == WEFT_FRAME_RSI);
static_assert(offsetof(syscall_frame, rdx) == WEFT_FRAME_RDX);
static_assert(offsetof(syscall_frame, r10) == WEFT_FRAME_R10);
static_assert(offsetof(syscall_frame, r8) == WEFT_FRAME_R8);
static_assert(offsetof(syscall_frame, r9) == WEFT_FRAME_R9);
static_assert(offsetof(syscall_frame, rbx) == WEFT_FRAME_RBX);
static_assert(offsetof(syscall_frame, rbp) == WEFT_FRAME_RBP);
static_assert(offsetof(syscall_frame, r12) == WEFT_FRAME_R12);
static_assert(offsetof(syscall_frame, r13) == WEFT_FRAME_R13);
static_assert(offsetof(syscall_frame, r14) == WEFT_FRAME_R14);
static_assert(offsetof(syscall_frame, r15) == WEFT_FRAME_R15);
static_assert(offsetof(syscall_frame, rflags) == WEFT_FRAME_RFLAGS);
static_assert(offsetof(syscall_frame, user_rsp) == WEFT_FRAME_USER_RSP);
static_assert(offsetof(syscall_frame, resume) == WEFT_FRAME_RESUME);
static_assert(offsetof(syscall_frame, child_resume) == WEFT_FRAME_CHILD_RESUME);
static_assert(sizeof(syscall_frame) == WEFT_FRAME_SIZE);
static_assert(FUTEX_WAKE_PRIVATE == WEFT_FUTEX_WAKE_PRIVATE);
static_assert(offsetof(entry_state, passthrough) == WEFT_STATE_PASSTHROUGH);
static_assert(offsetof(spawn_record, return_address) == WEFT_SPAWN_RETURN_ADDRESS);
static_assert(offsetof(spawn_record, rbx) == WEFT_SPAWN_RBX);
static_assert(offsetof(spawn_record, previous) == WEFT_SPAWN_PREVIOUS);

/// A vfork child may itself vfork while its parent waits, so there is a stack of them.
constexpr int nested_vforks = 4;
constinit thread_local spawn_record records[nested_vforks] = {};

struct child_plan {
  std::uint64_t flags;
  std::uint64_t stack; // 0: the parent's
};

child_plan planned_child(const syscall_frame& frame) noexcept {
  switch (frame.rax) {
  case SYS_vfork:
    return {CLONE_VM | CLONE_VFORK, 0};
  case SYS_clone:
    return {frame.rdi, frame.rsi};
  case SYS_clone3: {
    // What the kernel will refuse must not fault here.
    if (frame.rdi < 4096 || frame.rsi < CLONE_ARGS_SIZE_VER0) return {0, 0};
    const auto* args = reinterpret_cast<const clone_args*>(frame.rdi);
    return {args->flags, args->stack ? args->stack + args->stack_size : 0};
  }
  default:
    return {0, 0};
  }
}

} // namespace
} // namespace weft::patch

extern "C" {

[[gnu::visibility("hidden"),
  gnu::tls_model(
      "initial-exec")]] constinit thread_local weft::patch::spawn_record* weft_spawn_top = nullptr;

/// Called by the stub before it makes a child: says how the return address gets across.
[[gnu::visibility("hidden")]] std::uint64_t weft_prepare_spawn(weft::patch::syscall_frame* frame,
                                                               int wants_after) {
  using namespace weft::patch;
  const auto child = planned_child(*frame);
  const bool shares_memory = child.flags & CLONE_VM;
  const std::uint64_t return_address = frame->child_resume - WEFT_SLOT_LEA_SIZE;

  if (child.stack) {
    // The red zone of a stack that nobody uses yet; signal frames will spare it.
    auto* top = reinterpret_cast<char*>(child.stack);
    *reinterpret_cast<std::uint64_t*>(top + WEFT_CHILD_RETURN_ADDRESS) = return_address;
    *reinterpret_cast<std::uint64_t*>(top + WEFT_CHILD_WANTS_AFTER) = wants_after && !shares_memory;
    return WEFT_SPAWN_OWN_STACK;
  }
  if (!shares_memory) return WEFT_SPAWN_COPIED_STACK;

  auto* record = weft_spawn_top ? weft_spawn_top + 1 : records;
  if (record == records + nested_vforks) record = records;
  *record = {return_address, frame->rbx, weft_spawn_top};
  weft_spawn_top = record;
  return reinterpret_cast<std::uint64_t>(record);
}
}

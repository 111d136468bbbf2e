// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/signal_context.hpp"

namespace weft::patch {
namespace {

struct pair {
  int greg;
  std::uint64_t syscall_frame::* reg;
};
constexpr pair restored[] = {
    {REG_RDI, &syscall_frame::rdi}, {REG_RSI, &syscall_frame::rsi}, {REG_RDX, &syscall_frame::rdx},
    {REG_R10, &syscall_frame::r10}, {REG_R8, &syscall_frame::r8},   {REG_R9, &syscall_frame::r9},
    {REG_RBX, &syscall_frame::rbx}, {REG_RBP, &syscall_frame::rbp}, {REG_R12, &syscall_frame::r12},
    {REG_R13, &syscall_frame::r13}, {REG_R14, &syscall_frame::r14}, {REG_R15, &syscall_frame::r15},
    {REG_EFL, &syscall_frame::rflags},
};

struct alignas(16) floating_state {
  unsigned char bytes[512];
};
static_assert(sizeof(floating_state) == sizeof(_libc_fpstate));

}  // namespace

void context_from_frame(const syscall_frame& frame, ucontext_t& context) noexcept {
  __builtin_memset(&context, 0, sizeof context);
  // No vector register has changed since the call began, and none may have afterwards: the
  // kernel preserves them, the program's handler does not.
  floating_state now;
  asm volatile("fxsave64 %0" : "=m"(now));
  __builtin_memcpy(&context.__fpregs_mem, &now, sizeof now);
  context.uc_mcontext.fpregs = &context.__fpregs_mem;
  greg_t* regs = context.uc_mcontext.gregs;
  for (const pair& p : restored) regs[p.greg] = static_cast<greg_t>(frame.*p.reg);
  regs[REG_RAX] = static_cast<greg_t>(frame.rax);
  regs[REG_RSP] = static_cast<greg_t>(frame.user_rsp);
  regs[REG_RIP] = static_cast<greg_t>(frame.resume);
  regs[REG_RCX] = regs[REG_RIP];
}

void frame_from_context(const ucontext_t& context, syscall_frame& frame) noexcept {
  const greg_t* regs = context.uc_mcontext.gregs;
  for (const pair& p : restored) frame.*p.reg = static_cast<std::uint64_t>(regs[p.greg]);
  floating_state then;
  __builtin_memcpy(&then, &context.__fpregs_mem, sizeof then);
  asm volatile("fxrstor64 %0" : : "m"(then));
}

const void* interrupted_stack(const ucontext_t& context) noexcept {
  return reinterpret_cast<const void*>(context.uc_mcontext.gregs[REG_RSP]);
}

}  // namespace weft::patch

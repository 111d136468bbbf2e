// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/signal_context.hpp"

extern "C" void weft_signal_return();
extern "C" [[noreturn]] void weft_continue_at_frame(void* frame,
                                                    void (*handler)(int, siginfo_t*, void*),
                                                    int signal, void* info, void* context);

namespace weft::patch {
namespace {

struct pair {
  int greg;
  std::uint64_t syscall_frame::*reg;
};
constexpr pair restored[] = {
    {REG_RDI, &syscall_frame::rdi},    {REG_RSI, &syscall_frame::rsi},
    {REG_RDX, &syscall_frame::rdx},    {REG_R10, &syscall_frame::r10},
    {REG_R8, &syscall_frame::r8},      {REG_R9, &syscall_frame::r9},
    {REG_RBX, &syscall_frame::rbx},    {REG_RBP, &syscall_frame::rbp},
    {REG_R12, &syscall_frame::r12},    {REG_R13, &syscall_frame::r13},
    {REG_R14, &syscall_frame::r14},    {REG_R15, &syscall_frame::r15},
    {REG_EFL, &syscall_frame::rflags},
};

/// The kernel's rt_sigframe, whose ucontext is shorter than glibc's.
struct signal_frame {
  void (*restorer)();
  char context[304];
  char info[128];
};
static_assert(sizeof(siginfo_t) == 128);

// Where the kernel says how much of a frame's floating-point state there is.
constexpr int software_reserved = 464;
constexpr std::uint32_t extended_magic = 0x46505853;

constexpr greg_t alignment_check = 1 << 18;

struct alignas(16) floating_state {
  unsigned char bytes[512];
};
static_assert(sizeof(floating_state) == sizeof(_libc_fpstate));

} // namespace

void context_from_frame(const syscall_frame& frame, ucontext_t& context) noexcept {
  __builtin_memset(&context, 0, sizeof context);
  // No vector register has changed since the call began, and none may have afterwards: the
  // kernel preserves them, the program's handler does not.
  floating_state now;
  asm volatile("fxsave64 %0" : "=m"(now));
  __builtin_memcpy(&context.__fpregs_mem, &now, sizeof now);
  context.uc_mcontext.fpregs = &context.__fpregs_mem;
  greg_t* regs = context.uc_mcontext.gregs;
  for (const pair& p : restored)
    regs[p.greg] = static_cast<greg_t>(frame.*p.reg);
  regs[REG_RAX] = static_cast<greg_t>(frame.rax);
  regs[REG_RSP] = static_cast<greg_t>(frame.user_rsp);
  regs[REG_RIP] = static_cast<greg_t>(frame.resume);
  regs[REG_RCX] = regs[REG_RIP];
}

void frame_from_context(const ucontext_t& context, syscall_frame& frame) noexcept {
  const greg_t* regs = context.uc_mcontext.gregs;
  for (const pair& p : restored)
    frame.*p.reg = static_cast<std::uint64_t>(regs[p.greg]);
  floating_state then;
  __builtin_memcpy(&then, &context.__fpregs_mem, sizeof then);
  asm volatile("fxrstor64 %0" : : "m"(then));
}

void continue_below(void* top, void (*handler)(int, siginfo_t*, void*), int signal,
                    const siginfo_t& info, const ucontext_t& context) noexcept {
  const char* state = reinterpret_cast<const char*>(context.uc_mcontext.fpregs);
  std::uint32_t magic, size = sizeof(floating_state);
  __builtin_memcpy(&magic, state + software_reserved, sizeof magic);
  if (magic == extended_magic)
    __builtin_memcpy(&size, state + software_reserved + sizeof magic, sizeof size);
  // xsave wants 64 bytes' alignment, a function 16 below its return address.
  auto at = (reinterpret_cast<std::uintptr_t>(top) - size) & ~std::uintptr_t{63};
  auto* copied = reinterpret_cast<char*>(at);
  __builtin_memcpy(copied, state, size);
  at = ((at - sizeof(signal_frame)) & ~std::uintptr_t{15}) - 8;
  auto* frame = reinterpret_cast<signal_frame*>(at);
  frame->restorer = weft_signal_return;
  __builtin_memcpy(frame->context, &context, sizeof frame->context);
  reinterpret_cast<ucontext_t*>(frame->context)->uc_mcontext.fpregs =
      reinterpret_cast<fpregset_t>(copied);
  __builtin_memcpy(frame->info, &info, sizeof frame->info);
  weft_continue_at_frame(frame, handler, signal, frame->info, frame->context);
}

const void* interrupted_stack(const ucontext_t& context) noexcept {
  return reinterpret_cast<const void*>(context.uc_mcontext.gregs[REG_RSP]);
}

bool is_programs_trap(const siginfo_t& info, ucontext_t& context, syscall_frame* call) noexcept {
  if (info.si_signo == SIGTRAP) return info.si_code == TRAP_TRACE;
  greg_t& flags = context.uc_mcontext.gregs[REG_EFL];
  if (info.si_signo != SIGBUS || !(flags & alignment_check) || !call) return false;
  flags &= ~alignment_check;
  call->rflags |= static_cast<std::uint64_t>(alignment_check);
  return true;
}

void clear_alignment_check(const ucontext_t& context) noexcept {
  if (!(context.uc_mcontext.gregs[REG_EFL] & alignment_check)) return;
  asm volatile("lea -128(%%rsp), %%rsp; pushfq; andq %0, (%%rsp); popfq; lea 128(%%rsp), %%rsp"
               :
               : "i"(~alignment_check)
               : "memory", "cc");
}

} // namespace weft::patch

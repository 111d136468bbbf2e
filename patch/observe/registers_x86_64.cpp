// SPDX-License-Identifier: BSL-1.0
#include "patch/observe/registers.hpp"

namespace weft::patch {

stack_registers registers_of(const syscall_frame& call) noexcept {
  stack_registers r;
  r.value[stack_registers::rbx] = call.rbx;
  r.value[stack_registers::rbp] = call.rbp;
  r.value[stack_registers::rsp] = call.user_rsp;
  r.value[12] = call.r12;
  r.value[13] = call.r13;
  r.value[14] = call.r14;
  r.value[15] = call.r15;
  r.value[stack_registers::rip] = call.resume;
  return r;
}

stack_registers registers_of(core::context suspended) noexcept {
  // The frame of runtime/core/context/jump_x86_64.S.
  const auto* frame = static_cast<const std::uint64_t*>(suspended);
  stack_registers r;
  r.value[12] = frame[2];
  r.value[13] = frame[3];
  r.value[14] = frame[4];
  r.value[15] = frame[5];
  r.value[stack_registers::rbx] = frame[6];
  r.value[stack_registers::rbp] = frame[7];
  r.value[stack_registers::rip] = frame[8];
  r.value[stack_registers::rsp] = reinterpret_cast<std::uint64_t>(frame + 9);
  return r;
}

bool is_signal_return(std::uint64_t pc) noexcept {
  // mov $15,%rax; syscall: by these bytes unwinders and debuggers know it. The stack pointer
  // is then where the kernel has put the context.
  constexpr std::uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
  return __builtin_memcmp(reinterpret_cast<const void*>(pc), code, sizeof code) == 0;
}

stack_registers registers_of(const ucontext_t& interrupted) noexcept {
  const auto& g = interrupted.uc_mcontext.gregs;
  constexpr int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                           REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                           REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
  stack_registers r;
  for (int i = 0; i < stack_registers::count; ++i)
    r.value[i] = static_cast<std::uint64_t>(g[order[i]]);
  r.exact = true;
  return r;
}

} // namespace weft::patch

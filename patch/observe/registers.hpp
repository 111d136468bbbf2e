// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <ucontext.h>

#include <cstdint>

#include "patch/sites/entry.hpp"
#include "runtime/core/context/context.hpp"

namespace weft::patch {

/// What a signal's handler returns to, and where it leaves what it interrupted.
[[nodiscard]] bool is_signal_return(std::uint64_t pc) noexcept;

/// What a stack is walked by: the registers under the numbers that DWARF gives them on x86-64.
struct stack_registers {
  enum number { rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8, rip = 16, count };
  std::uint64_t value[count] = {};
  /// The instruction at rip is the one that was about to run, not one after a call.
  bool exact = false;

  [[nodiscard]] std::uint64_t pc() const noexcept { return value[rip]; }
  [[nodiscard]] std::uint64_t sp() const noexcept { return value[rsp]; }
};

/// Those of the program where it makes that call: right behind the `syscall`.
[[nodiscard]] stack_registers registers_of(const syscall_frame& call) noexcept;
/// Those of who switched away and left `suspended` behind.
[[nodiscard]] stack_registers registers_of(core::context suspended) noexcept;
/// Those that a signal found.
[[nodiscard]] stack_registers registers_of(const ucontext_t& interrupted) noexcept;

} // namespace weft::patch

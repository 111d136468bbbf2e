// SPDX-License-Identifier: BSL-1.0
#include "patch/observe/unwind.hpp"

#include "patch/observe/dwarf_expression.hpp"
#include "patch/observe/frame_description.hpp"

namespace weft::patch {

bool to_caller(stack_registers& registers, readable_memory& memory) noexcept {
  // After a call that does not return the next instruction is another function's.
  const std::uint64_t pc = registers.pc() - (registers.exact ? 0 : 1);
  frame_description frame;
  if (!describe_frame(pc, frame)) {
    // The restorer of handlers that weft registers has no description.
    if (!memory.has(registers.pc()) || !memory.has(registers.pc() + 8) ||
        !is_signal_return(registers.pc()))
      return false;
    const std::uint64_t context = registers.sp();
    if (!memory.has(context) || !memory.has(context + sizeof(ucontext_t) - 8)) return false;
    registers = registers_of(*reinterpret_cast<const ucontext_t*>(context));
    return true;
  }

  std::uint64_t cfa = 0;
  if (frame.cfa_expression) {
    if (!compute(expression_at(frame.cfa_expression), registers, nullptr, memory, cfa))
      return false;
  } else {
    if (frame.cfa_register >= stack_registers::count) return false;
    cfa = registers.value[frame.cfa_register] + static_cast<std::uint64_t>(frame.cfa_offset);
  }

  stack_registers caller = registers;
  caller.value[stack_registers::rsp] = cfa;
  for (unsigned i = 0; i < stack_registers::count; ++i) {
    const register_rule& rule = frame.registers[i];
    std::uint64_t& value = caller.value[i];
    std::uint64_t at = cfa + static_cast<std::uint64_t>(rule.value);
    switch (rule.how) {
    case register_rule::same:
      break;
    case register_rule::undefined:
      value = 0;
      break;
    case register_rule::in_register:
      if (rule.value < 0 || rule.value >= stack_registers::count) return false;
      value = registers.value[rule.value];
      break;
    case register_rule::is_offset:
      value = at;
      break;
    case register_rule::is_expression:
      if (!compute(expression_at(rule.value), registers, &cfa, memory, value)) return false;
      break;
    case register_rule::at_expression:
      if (!compute(expression_at(rule.value), registers, &cfa, memory, at)) return false;
      [[fallthrough]];
    case register_rule::at_offset:
      if (!memory.read(at, value)) return false;
      break;
    }
  }
  caller.value[stack_registers::rip] = caller.value[frame.return_address];
  caller.exact = frame.signal;
  // Stacks end where the return address is said to be undefined, or is none.
  const bool goes_on = caller.pc() != 0 &&
                       frame.registers[frame.return_address].how != register_rule::undefined &&
                       (caller.sp() != registers.sp() || caller.pc() != registers.pc());
  registers = caller;
  return goes_on;
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/observe/dwarf_expression.hpp"

namespace weft::patch {
namespace {

/// A stack that neither grows too large nor is popped when empty.
class operands {
 public:
  void push(std::uint64_t value) noexcept {
    if (count_ == capacity) return fail();
    values_[count_++] = value;
  }
  std::uint64_t pop() noexcept {
    if (count_ == 0) {
      fail();
      return 0;
    }
    return values_[--count_];
  }
  [[nodiscard]] std::uint64_t peek(unsigned below) noexcept {
    if (below >= count_) {
      fail();
      return 0;
    }
    return values_[count_ - 1 - below];
  }
  void fail() noexcept { failed_ = true; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }

 private:
  static constexpr unsigned capacity = 16;
  std::uint64_t values_[capacity];
  unsigned count_ = 0;
  bool failed_ = false;
};

std::int64_t sign(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value);
}

/// Operations with two operands; false: it is none of them.
bool binary(std::uint8_t operation, operands& stack) noexcept {
  constexpr std::uint8_t first = 0x1a, last = 0x2e;
  if (operation < first || operation > last || operation == 0x1f || operation == 0x20 ||
      operation == 0x23 || operation == 0x28)
    return false;
  const std::uint64_t b = stack.pop(), a = stack.pop();
  const bool shifts_all = b > 63;
  switch (operation) {
  case 0x1a:
    stack.push(a & b);
    break;
  case 0x1b: // signed division, which can overflow
    b == 0 || (b + 1 == 0 && sign(a) == INT64_MIN)
        ? stack.fail()
        : stack.push(static_cast<std::uint64_t>(sign(a) / sign(b)));
    break;
  case 0x1c:
    stack.push(a - b);
    break;
  case 0x1d:
    b == 0 ? stack.fail() : stack.push(a % b);
    break;
  case 0x1e:
    stack.push(a * b);
    break;
  case 0x21:
    stack.push(a | b);
    break;
  case 0x22:
    stack.push(a + b);
    break;
  case 0x24:
    stack.push(shifts_all ? 0 : a << b);
    break;
  case 0x25:
    stack.push(shifts_all ? 0 : a >> b);
    break;
  case 0x26:
    stack.push(static_cast<std::uint64_t>(sign(a) >> (shifts_all ? 63 : b)));
    break;
  case 0x27:
    stack.push(a ^ b);
    break;
  case 0x29:
    stack.push(a == b);
    break;
  case 0x2a:
    stack.push(sign(a) >= sign(b));
    break;
  case 0x2b:
    stack.push(sign(a) > sign(b));
    break;
  case 0x2c:
    stack.push(sign(a) <= sign(b));
    break;
  case 0x2d:
    stack.push(sign(a) < sign(b));
    break;
  default:
    stack.push(a != b);
  }
  return true;
}

void push_register(std::uint64_t number, std::int64_t offset, const stack_registers& registers,
                   operands& stack) noexcept {
  if (number >= stack_registers::count) return stack.fail();
  stack.push(registers.value[number] + static_cast<std::uint64_t>(offset));
}

void push_memory(operands& stack, readable_memory& memory) noexcept {
  std::uint64_t word = 0;
  memory.read(stack.pop(), word) ? stack.push(word) : stack.fail();
}

} // namespace

bool compute(dwarf_reader expression, const stack_registers& registers, const std::uint64_t* first,
             readable_memory& memory, std::uint64_t& result) noexcept {
  operands stack;
  if (first) stack.push(*first);
  while (!expression.done() && !stack.failed()) {
    const std::uint8_t operation = expression.byte();
    if (operation >= 0x30 && operation <= 0x4f) { // DW_OP_lit0 and on
      stack.push(operation - 0x30u);
      continue;
    }
    if (operation >= 0x70 && operation <= 0x8f) { // DW_OP_breg0 and on
      push_register(operation - 0x70u, expression.signed_number(), registers, stack);
      continue;
    }
    if (binary(operation, stack)) continue;
    switch (operation) {
    case 0x03: // DW_OP_addr
    case 0x0e:
    case 0x0f:
      stack.push(expression.fixed<std::uint64_t>());
      break;
    case 0x06: // DW_OP_deref
      push_memory(stack, memory);
      break;
    case 0x08:
      stack.push(expression.byte());
      break;
    case 0x09:
      stack.push(static_cast<std::uint64_t>(expression.fixed<std::int8_t>()));
      break;
    case 0x0a:
      stack.push(expression.fixed<std::uint16_t>());
      break;
    case 0x0b:
      stack.push(static_cast<std::uint64_t>(expression.fixed<std::int16_t>()));
      break;
    case 0x0c:
      stack.push(expression.fixed<std::uint32_t>());
      break;
    case 0x0d:
      stack.push(static_cast<std::uint64_t>(expression.fixed<std::int32_t>()));
      break;
    case 0x10:
      stack.push(expression.unsigned_number());
      break;
    case 0x11:
      stack.push(static_cast<std::uint64_t>(expression.signed_number()));
      break;
    case 0x12: // DW_OP_dup
      stack.push(stack.peek(0));
      break;
    case 0x13: // DW_OP_drop
      stack.pop();
      break;
    case 0x14: // DW_OP_over
      stack.push(stack.peek(1));
      break;
    case 0x16: { // DW_OP_swap
      const std::uint64_t b = stack.pop(), a = stack.pop();
      stack.push(b);
      stack.push(a);
      break;
    }
    case 0x1f: // DW_OP_neg
      stack.push(0 - stack.pop());
      break;
    case 0x20: // DW_OP_not
      stack.push(~stack.pop());
      break;
    case 0x23: // DW_OP_plus_uconst
      stack.push(stack.pop() + expression.unsigned_number());
      break;
    case 0x92: { // DW_OP_bregx
      const std::uint64_t number = expression.unsigned_number();
      push_register(number, expression.signed_number(), registers, stack);
      break;
    }
    case 0x96: // DW_OP_nop
      break;
    default: // branches among them: no frame's description needs one
      return false;
    }
  }
  result = stack.peek(0);
  return !stack.failed();
}

} // namespace weft::patch

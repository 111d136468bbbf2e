// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/context/balanced.hpp"

#include <cpuid.h>

#include <cstdint>
#include <cstring>

extern "C" {
weft::core::transfer weft_jump_balanced_looking(weft::core::context to, void* data) noexcept;
weft::core::transfer weft_jump_balanced_loading(weft::core::context to, void* data) noexcept;
void weft_switch_balanced_looking(weft::core::context to, weft::core::context* save) noexcept;
void weft_switch_balanced_loading(weft::core::context to, weft::core::context* save) noexcept;
weft::core::transfer weft_jump_with_marks(weft::core::context to, void* data,
                                          weft::core::jump_function jump) noexcept;
extern const char weft_jump_with_marks_return[];
}

namespace weft::core {
namespace {

/// The frame in which jump_x86_64.S leaves a context.
struct frame {
  std::uint32_t mxcsr;
  std::uint16_t x87_control;
  std::uint64_t unused;
  std::uint64_t r12, r13, r14, r15, rbx, rbp;
  const void* return_address;
};
static_assert(offsetof(frame, r12) == 0x10 && offsetof(frame, rbp) == 0x38 &&
              offsetof(frame, return_address) == 0x40);

frame frame_of(context suspended) noexcept {
  frame copy;
  std::memcpy(&copy, suspended, sizeof copy);
  return copy;
}

bool left_by_marked_jump(context suspended) noexcept {
  const frame f = frame_of(suspended);
  return f.r12 == 1 && f.r13 == 2 && f.r14 == 3 && f.r15 == 4 && f.rbx == 5 && f.rbp == 6 &&
         f.return_address == weft_jump_with_marks_return;
}

// A return to another stack than the one called from kills the process under CET. The
// instruction does nothing where there is no shadow stack.
bool shadow_stack_active() noexcept {
  std::uint64_t pointer = 0;
  asm volatile("rdsspq %0" : "+r"(pointer));
  return pointer != 0;
}

// Entered by Boost's jump: says whether that left the expected frame, and goes back by the
// balanced jump on trial if so. Then once more the other way round.
//
// It never returns, so what a sanitizer marks in its frame would stay marked.
[[gnu::no_sanitize_address, gnu::no_sanitize_thread]] void probe(transfer t) {
  bool right = left_by_marked_jump(t.from);
  if (!right) jump_fcontext(t.from, nullptr);
  t = static_cast<const jump_pair*>(t.data)->jump(t.from, t.data);
  right = left_by_marked_jump(t.from);
  for (;;)
    t = jump_fcontext(t.from, right ? t.data : nullptr);
}

} // namespace

jump_kind faster_balanced() noexcept {
  unsigned a, b, c, d;
  __cpuid(0, a, b, c, d);
  if (b != signature_AMD_ebx || c != signature_AMD_ecx || d != signature_AMD_edx)
    return jump_kind::balanced_looking;
  constexpr unsigned zen_3_and_4 = 0x19; // measured on a Zen 4 only
  __cpuid(1, a, b, c, d);
  const unsigned family = (a >> 8 & 0xf) + (a >> 20 & 0xff);
  return family >= zen_3_and_4 ? jump_kind::balanced_loading : jump_kind::balanced_looking;
}

jump_pair find_balanced_jump(jump_kind kind) noexcept {
  if (shadow_stack_active()) return {};
  // The dynamic linker may come by to bind a call: it saves all vector state, 11 KiB with AMX.
  alignas(16) char stack[32768];
  const context made = make_fcontext(stack + sizeof stack, sizeof stack, probe);
  if (made != stack + sizeof stack - 0x48) return {};
  const frame f = frame_of(made);
  if (f.rbx != reinterpret_cast<std::uintptr_t>(probe)) return {};

  jump_pair on_trial{weft_jump_balanced_looking, weft_switch_balanced_looking};
  if (kind == jump_kind::balanced_loading)
    on_trial = {weft_jump_balanced_loading, weft_switch_balanced_loading};
  transfer t = weft_jump_with_marks(made, &on_trial, jump_fcontext);
  if (t.data != &on_trial) return {};
  t = weft_jump_with_marks(t.from, &on_trial, on_trial.jump);
  return t.data == &on_trial ? on_trial : jump_pair{};
}

} // namespace weft::core

// SPDX-License-Identifier: BSL-1.0
#pragma once

/// Defines the function `NAME`, which calls `IMPLEMENTATION` with its own six words of arguments
/// and goes back to where it was called so that the processor predicts it. Both are names for the
/// assembler; the implementation must be [[gnu::used]].
///
/// It is for calls that are left on one stack and come back on another one. A processor predicts
/// a return by the last call before it, which is the other side's: rightly, if that is made at the
/// same place, else wrongly, which takes 13 ns. A jump it predicts by where that went before, but
/// after it the caller's own return is predicted wrongly. So this returns if the call before was
/// made at the same place, and jumps otherwise.
///
/// The sixth argument is the address of a word which all that run on one thread share, and which
/// nobody else uses: where the last of these calls was made. Under a shadow stack, where every call
/// must be returned from, and on other processors than x86-64 this always returns.
#if defined(__x86_64__)
#define WEFT_GO_BACK_AS_PREDICTED(NAME, IMPLEMENTATION)                                            \
  asm(".pushsection .text\n"                                                                       \
      ".globl " NAME "\n"                                                                          \
      ".hidden " NAME "\n"                                                                         \
      ".type " NAME ", @function\n"                                                                \
      ".align 16\n" NAME ":\n"                                                                     \
      "  .cfi_startproc\n"                                                                         \
      "  movq (%rsp), %rax\n"                                                                      \
      "  movq %rax, (%r9)\n"                                                                       \
      "  pushq %r9\n"                                                                              \
      "  .cfi_adjust_cfa_offset 8\n"                                                               \
      "  call " IMPLEMENTATION "\n"                                                                \
      "  popq %rdx\n"                                                                              \
      "  .cfi_adjust_cfa_offset -8\n"                                                              \
      "  movq (%rsp), %rcx\n"                                                                      \
      "  cmpq (%rdx), %rcx\n"                                                                      \
      "  jne 1f\n"                                                                                 \
      "2: ret\n"                                                                                   \
      "1: xorl %edx, %edx\n"                                                                       \
      "  rdsspq %rdx\n" /* leaves it if there is no shadow stack */                                \
      "  testq %rdx, %rdx\n"                                                                       \
      "  jnz 2b\n"                                                                                 \
      "  addq $8, %rsp\n"                                                                          \
      "  .cfi_adjust_cfa_offset -8\n"                                                              \
      "  .cfi_register rip, rcx\n"                                                                 \
      "  jmp *%rcx\n"                                                                              \
      "  .cfi_endproc\n"                                                                           \
      ".size " NAME ", . - " NAME "\n"                                                             \
      ".popsection\n")
#else
#define WEFT_GO_BACK_AS_PREDICTED(NAME, IMPLEMENTATION)                                            \
  asm(".globl " NAME "\n"                                                                          \
      ".hidden " NAME "\n"                                                                         \
      ".set " NAME ", " IMPLEMENTATION "\n")
#endif

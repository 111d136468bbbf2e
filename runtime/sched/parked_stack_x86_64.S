// SPDX-License-Identifier: BSL-1.0

    .text

// void weft_call_as_if_from(context parked, void (*f)(void*), void* argument)
//
// Calls f(argument) on the caller's stack. An unwinder that starts inside f finds as f's callers
// not those of this function but whoever left `parked`: the rules below say that the frame which
// is laid out in core/context/jump_x86_64.S is the one beneath. Nothing there is changed.
    .globl  weft_call_as_if_from
    .hidden weft_call_as_if_from
    .type   weft_call_as_if_from, @function
    .align  16
weft_call_as_if_from:
    .cfi_startproc
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    movq    %rdi, %rbx
    movq    %rdx, %rdi
    .cfi_remember_state
    .cfi_def_cfa rbx, 0x48
    .cfi_offset r12, -0x38
    .cfi_offset r13, -0x30
    .cfi_offset r14, -0x28
    .cfi_offset r15, -0x20
    .cfi_offset rbx, -0x18
    .cfi_offset rbp, -0x10
    callq   *%rsi
    .cfi_restore_state
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    ret
    .cfi_endproc
    .size   weft_call_as_if_from, . - weft_call_as_if_from

    .section .note.GNU-stack, "", @progbits

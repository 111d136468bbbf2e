// SPDX-License-Identifier: BSL-1.0
//
// A frame is as Boost.Context 1.81 lays it out:
//
//   0x00 MXCSR   0x04 x87 control word   0x08 unused   0x10 r12   0x18 r13
//   0x20 r14     0x28 r15                0x30 rbx      0x38 rbp   0x40 return address
//
// The unwinder's rules stay true while the stack changes, since both frames look alike.

    .text

// transfer weft_jump_balanced_looking(context to, void* data)
// void weft_switch_balanced_looking(context to, context* save)
//
// and the same with _loading, which load MXCSR and do not look whether it is another. To look means
// to read what stmxcsr has just written: for that a Zen 4 waits 1.4 ns more than it takes to
// load one that is the same. On an Intel Xeon to look takes a nanosecond less. The x87 control word
// is looked at on either.
    .macro  DEFINE_JUMP suffix, look
    .globl  weft_switch_\suffix
    .hidden weft_switch_\suffix
    .type   weft_switch_\suffix, @function
    .globl  weft_jump_\suffix
    .hidden weft_jump_\suffix
    .type   weft_jump_\suffix, @function
    .align  16
weft_switch_\suffix:
    .cfi_startproc
    leaq    -0x40(%rsp), %rax
    movq    %rax, (%rsi)
    // The rest is the jump.
    .cfi_endproc
    .size   weft_switch_\suffix, . - weft_switch_\suffix

weft_jump_\suffix:
    .cfi_startproc
    leaq    -0x40(%rsp), %rsp
    .cfi_adjust_cfa_offset 0x40
    stmxcsr 0x00(%rsp)
    fnstcw  0x04(%rsp)
    movq    %r12, 0x10(%rsp)
    .cfi_rel_offset r12, 0x10
    movq    %r13, 0x18(%rsp)
    .cfi_rel_offset r13, 0x18
    movq    %r14, 0x20(%rsp)
    .cfi_rel_offset r14, 0x20
    movq    %r15, 0x28(%rsp)
    .cfi_rel_offset r15, 0x28
    movq    %rbx, 0x30(%rsp)
    .cfi_rel_offset rbx, 0x30
    movq    %rbp, 0x38(%rsp)
    .cfi_rel_offset rbp, 0x38

    movq    %rsp, %rax
    movq    %rdi, %rsp

    .if \look
    movl    0x00(%rax), %ecx
    cmpl    0x00(%rsp), %ecx
    jne     1f
    .else
    ldmxcsr 0x00(%rsp)
    .endif
2:  movzwl  0x04(%rax), %ecx
    cmpw    0x04(%rsp), %cx
    jne     3f
4:  movq    0x10(%rsp), %r12
    movq    0x18(%rsp), %r13
    movq    0x20(%rsp), %r14
    movq    0x28(%rsp), %r15
    movq    0x30(%rsp), %rbx
    movq    0x38(%rsp), %rbp
    .cfi_remember_state
    leaq    0x40(%rsp), %rsp
    .cfi_adjust_cfa_offset -0x40
    .cfi_restore r12
    .cfi_restore r13
    .cfi_restore r14
    .cfi_restore r15
    .cfi_restore rbx
    .cfi_restore rbp
    // The transfer, as result of a jump and as argument of a new context's entry.
    movq    %rax, %rdi
    movq    %rsi, %rdx
    ret

    .cfi_restore_state
    .if \look
1:  ldmxcsr 0x00(%rsp)
    jmp     2b
    .endif
3:  fldcw   0x04(%rsp)
    jmp     4b
    .cfi_endproc
    .size   weft_jump_\suffix, . - weft_jump_\suffix
    .endm

    DEFINE_JUMP balanced_looking, 1
    DEFINE_JUMP balanced_loading, 0

// transfer weft_jump_with_marks(context to, void* data, jump_function jump)
// Jumps with a number of its own in each callee-saved register: r12 1, r13 2, r14 3, r15 4,
// rbx 5, rbp 6, so that the frame which `jump` leaves can be checked.
    .globl  weft_jump_with_marks
    .hidden weft_jump_with_marks
    .globl  weft_jump_with_marks_return
    .hidden weft_jump_with_marks_return
    .type   weft_jump_with_marks, @function
    .align  16
weft_jump_with_marks:
    .cfi_startproc
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    movl    $1, %r12d
    movl    $2, %r13d
    movl    $3, %r14d
    movl    $4, %r15d
    movl    $5, %ebx
    movl    $6, %ebp
    callq   *%rdx
weft_jump_with_marks_return:
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    ret
    .cfi_endproc
    .size   weft_jump_with_marks, . - weft_jump_with_marks

    .section .note.GNU-stack, "", @progbits

# SPDX-License-Identifier: BSL-1.0
#
# transfer weft_jump_keeping_vectors(context to, void* data, jump_function jump)
#
# The jump of runtime/core with xmm0-15 and the rare flags kept around it. Here pushf costs nothing:
# writing the FS base, just before, has waited for all that was under way.

#include "patch/kernel/keep_registers_x86_64.h"

        .text
        .globl  weft_jump_keeping_vectors
        .hidden weft_jump_keeping_vectors
        .type   weft_jump_keeping_vectors, @function
        .p2align 4
weft_jump_keeping_vectors:
        .cfi_startproc
        CALL_KEEPING_REGISTERS %rdx
        .cfi_endproc
        .size   weft_jump_keeping_vectors, .-weft_jump_keeping_vectors

# void weft_call_on_stack(void* top, void (*handler)(int, siginfo_t*, void*), int, siginfo_t*, void*)
#
# Calls a signal handler on another stack; unwinds through rbp.
        .globl  weft_call_on_stack
        .hidden weft_call_on_stack
        .type   weft_call_on_stack, @function
        .p2align 4
weft_call_on_stack:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        movq    %rdi, %rsp
        movq    %rsi, %rax
        movl    %edx, %edi
        movq    %rcx, %rsi
        movq    %r8, %rdx
        call    *%rax
        movq    %rbp, %rsp
        popq    %rbp
        .cfi_def_cfa %rsp, 8
        ret
        .cfi_endproc
        .size   weft_call_on_stack, .-weft_call_on_stack

# void weft_continue_at_frame(void* frame, void (*handler)(int, siginfo_t*, void*), int, siginfo_t*,
#                             void*)
#
# As if the kernel had called the handler with its frame there.
        .globl  weft_continue_at_frame
        .hidden weft_continue_at_frame
        .type   weft_continue_at_frame, @function
        .p2align 4
weft_continue_at_frame:
        .cfi_startproc
        .cfi_undefined rip
        movq    %rdi, %rsp
        movq    %rsi, %rax
        movl    %edx, %edi
        movq    %rcx, %rsi
        movq    %r8, %rdx
        jmp     *%rax
        .cfi_endproc
        .size   weft_continue_at_frame, .-weft_continue_at_frame

# The restorer of every handler that weft registers: rt_sigreturn. The bytes are those of
# glibc's and the kernel's, by which unwinders and gdb know a signal frame; the CFI begins one
# byte early because an unwinder looks at the instruction before a return address.
        .globl  weft_signal_return
        .hidden weft_signal_return
        .type   weft_signal_return, @function
        .p2align 4
        nop
weft_signal_return:
        movq    $15, %rax
        syscall
        .size   weft_signal_return, .-weft_signal_return

        .section .note.GNU-stack, "", @progbits

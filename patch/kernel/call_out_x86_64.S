# SPDX-License-Identifier: BSL-1.0
#
# int weft_call_out(int (*function)(void*, int), void* argument, int how)
#
# Calls a function of libweft's from inside a system call.

#include "patch/kernel/keep_registers_x86_64.h"

        .text
        .globl  weft_call_out
        .hidden weft_call_out
        .type   weft_call_out, @function
        .p2align 4
weft_call_out:
        .cfi_startproc
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movl    %edx, %esi
        CALL_KEEPING_REGISTERS %rax
        .cfi_endproc
        .size   weft_call_out, .-weft_call_out

        .section .note.GNU-stack, "", @progbits

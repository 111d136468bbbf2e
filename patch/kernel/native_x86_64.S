# SPDX-License-Identifier: BSL-1.0
#
# long weft_clone_thread(flags, stack_top, child_tid, thread_pointer, entry, argument)
#
# clone(2) of a kernel thread of weft's own: the child calls entry(argument) on its stack.

        .text
        .globl  weft_clone_thread
        .hidden weft_clone_thread
        .type   weft_clone_thread, @function
        .p2align 4
weft_clone_thread:
        .cfi_startproc
        movq    %r8, -8(%rsi)
        movq    %r9, -16(%rsi)
        subq    $16, %rsi
        movq    %rdx, %r10              # child_tid
        movq    %rcx, %r8               # thread pointer
        xorl    %edx, %edx
        movl    $56, %eax
        syscall
        testq   %rax, %rax
        jz      1f
        ret
1:      .cfi_undefined rip
        xorl    %ebp, %ebp
        popq    %rdi
        popq    %rax
        call    *%rax
        ud2
        .cfi_endproc
        .size   weft_clone_thread, .-weft_clone_thread

# long weft_native_call(const syscall_frame*)
#
# Makes the system call that the frame describes, on a worker that is marked as being in one if it
# holds a processor. A signal that finds the instruction pointer from weft_native_call up to
# weft_native_made, that not included, came before the call or found it about to be restarted. Its
# handler may have taken the thread to another worker, so that all is done again from the beginning,
# with the frame in rdi. At weft_native_made the call is over.
#include "patch/kernel/native_layout.h"
#include "patch/sites/entry_layout.h"
        .hidden weft_self
        .globl  weft_native_call
        .hidden weft_native_call
        .type   weft_native_call, @function
        .p2align 4
weft_native_call:
        .cfi_startproc
        movq    weft_self@gottpoff(%rip), %rax
        movq    %fs:(%rax), %rax
        movq    WEFT_GREEN_ON(%rax), %rax
        cmpl    $WEFT_RUNNING, WEFT_WORKER_STATE(%rax)
        jne     1f
        movl    $WEFT_IN_NATIVE, WEFT_WORKER_STATE(%rax)
1:      movq    WEFT_FRAME_RAX(%rdi), %rax
        movq    WEFT_FRAME_RSI(%rdi), %rsi
        movq    WEFT_FRAME_RDX(%rdi), %rdx
        movq    WEFT_FRAME_R10(%rdi), %r10
        movq    WEFT_FRAME_R8(%rdi), %r8
        movq    WEFT_FRAME_R9(%rdi), %r9
        movq    WEFT_FRAME_RDI(%rdi), %rdi
        syscall
        .globl  weft_native_made
        .hidden weft_native_made
weft_native_made:
        ret
        .cfi_endproc
        .size   weft_native_call, .-weft_native_call

        .section .note.GNU-stack, "", @progbits

# SPDX-License-Identifier: BSL-1.0
#
# transfer weft_jump_keeping_vectors(context to, void* data, jump_function jump)
#
# The jump of runtime/core with xmm0-15 kept around it. The kernel preserves them over a
# system call, so code in libc may have values there; the calling convention does not.
# (Only the lower halves: libc's C code is compiled for baseline x86-64, and the upper
# ones are dead wherever hand-written AVX code makes calls.)
#
# Nor must a thread find another's TF, NT or AC, which the entry stub leaves alone. Here pushf costs
# nothing: writing the FS base, just before, has waited for all that was under way.

        .set    RARE_FLAGS, 0x44500
        .set    PLAIN_FLAGS, 0x202

        .text
        .globl  weft_jump_keeping_vectors
        .hidden weft_jump_keeping_vectors
        .type   weft_jump_keeping_vectors, @function
        .p2align 4
weft_jump_keeping_vectors:
        .cfi_startproc
        pushfq                  /* to 256(%rsp) */
        .cfi_adjust_cfa_offset 8
        subq    $256, %rsp
        .cfi_adjust_cfa_offset 256
        movaps  %xmm0, 0(%rsp)
        movaps  %xmm1, 16(%rsp)
        movaps  %xmm2, 32(%rsp)
        movaps  %xmm3, 48(%rsp)
        movaps  %xmm4, 64(%rsp)
        movaps  %xmm5, 80(%rsp)
        movaps  %xmm6, 96(%rsp)
        movaps  %xmm7, 112(%rsp)
        movaps  %xmm8, 128(%rsp)
        movaps  %xmm9, 144(%rsp)
        movaps  %xmm10, 160(%rsp)
        movaps  %xmm11, 176(%rsp)
        movaps  %xmm12, 192(%rsp)
        movaps  %xmm13, 208(%rsp)
        movaps  %xmm14, 224(%rsp)
        movaps  %xmm15, 240(%rsp)
        testl   $RARE_FLAGS, 256(%rsp)
        jnz     2f
1:      call    *%rdx
        testl   $RARE_FLAGS, 256(%rsp)
        jnz     4f
3:
        movaps  0(%rsp), %xmm0
        movaps  16(%rsp), %xmm1
        movaps  32(%rsp), %xmm2
        movaps  48(%rsp), %xmm3
        movaps  64(%rsp), %xmm4
        movaps  80(%rsp), %xmm5
        movaps  96(%rsp), %xmm6
        movaps  112(%rsp), %xmm7
        movaps  128(%rsp), %xmm8
        movaps  144(%rsp), %xmm9
        movaps  160(%rsp), %xmm10
        movaps  176(%rsp), %xmm11
        movaps  192(%rsp), %xmm12
        movaps  208(%rsp), %xmm13
        movaps  224(%rsp), %xmm14
        movaps  240(%rsp), %xmm15
        addq    $264, %rsp
        .cfi_adjust_cfa_offset -264
        ret
        .cfi_adjust_cfa_offset 264
2:      pushq   $PLAIN_FLAGS
        popfq
        jmp     1b
4:      pushq   256(%rsp)
        popfq
        jmp     3b
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

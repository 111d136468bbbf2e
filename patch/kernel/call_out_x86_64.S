# SPDX-License-Identifier: BSL-1.0
#
# int weft_call_out(int (*function)(void*, int), void* argument, int how)
#
# Calls a function of libweft's from inside a system call, over which the kernel preserves
# xmm0-15; the calling convention does not. (Only the lower halves: see switch_x86_64.S, and for the
# flags that the hub's code and its other fibers must not find.)

        .set    RARE_FLAGS, 0x44500
        .set    PLAIN_FLAGS, 0x202

        .text
        .globl  weft_call_out
        .hidden weft_call_out
        .type   weft_call_out, @function
        .p2align 4
weft_call_out:
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
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movl    %edx, %esi
        testl   $RARE_FLAGS, 256(%rsp)
        jnz     2f
1:      call    *%rax
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
        .size   weft_call_out, .-weft_call_out

        .section .note.GNU-stack, "", @progbits

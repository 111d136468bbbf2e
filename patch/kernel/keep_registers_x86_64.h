/* SPDX-License-Identifier: BSL-1.0
 *
 * A call from inside a system call, over which the kernel preserves xmm0-15, so that code in libc
 * may have values there; the calling convention does not. (Only the lower halves: libc's C code is
 * compiled for baseline x86-64, and the upper ones are dead wherever hand-written AVX code makes
 * calls.) Nor must a thread find another's TF, NT or AC, which the entry stub leaves alone.
 */
#ifndef WEFT_PATCH_KERNEL_KEEP_REGISTERS_X86_64_H
#define WEFT_PATCH_KERNEL_KEEP_REGISTERS_X86_64_H

#include "patch/sites/entry_layout.h"

/* Calls *function, and returns what it returns: the whole of the caller's body. */
.macro CALL_KEEPING_REGISTERS function
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
        testl   $WEFT_RARE_FLAGS, 256(%rsp)
        jnz     .Lclear_flags\@
.Lcall\@:
        call    *\function
        testl   $WEFT_RARE_FLAGS, 256(%rsp)
        jnz     .Lrestore_flags\@
.Lrestore\@:
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
.Lclear_flags\@:
        pushq   $WEFT_PLAIN_FLAGS
        popfq
        jmp     .Lcall\@
.Lrestore_flags\@:
        pushq   256(%rsp)
        popfq
        jmp     .Lrestore\@
.endm

#endif

/* SPDX-License-Identifier: BSL-1.0
 *
 * Access to memory by addresses that the program gave: see user_memory.hpp. A fault between
 * weft_user_begin and weft_user_end makes the function return 0 (weft_user_fault), so none of
 * them may change the stack or a register that its caller keeps.
 */
        .text
        .globl  weft_user_begin
        .hidden weft_user_begin
        .p2align 4
weft_user_begin:

/* int weft_copy_user(void* to, const void* from, size_t size) */
        .globl  weft_copy_user
        .hidden weft_copy_user
        .type   weft_copy_user, @function
weft_copy_user:
        .cfi_startproc
        movq    %rdx, %rcx
        shrq    $3, %rcx
        jz      2f
1:      movq    (%rsi), %rax
        movq    %rax, (%rdi)
        addq    $8, %rsi
        addq    $8, %rdi
        decq    %rcx
        jnz     1b
2:      testl   $4, %edx        /* a word in one: others look at it */
        jz      3f
        movl    (%rsi), %eax
        movl    %eax, (%rdi)
        addq    $4, %rsi
        addq    $4, %rdi
3:      andl    $3, %edx
        jz      5f
4:      movb    (%rsi), %al
        movb    %al, (%rdi)
        incq    %rsi
        incq    %rdi
        decl    %edx
        jnz     4b
5:      movl    $1, %eax
        ret
        .cfi_endproc
        .size   weft_copy_user, .-weft_copy_user

/* int weft_load_user_word(uint32_t* value, const uint32_t* word) */
        .globl  weft_load_user_word
        .hidden weft_load_user_word
        .type   weft_load_user_word, @function
        .p2align 4
weft_load_user_word:
        .cfi_startproc
        movl    (%rsi), %eax
        movl    %eax, (%rdi)
        movl    $1, %eax
        ret
        .cfi_endproc
        .size   weft_load_user_word, .-weft_load_user_word

/* int weft_replace_user_word(uint32_t* word, uint32_t* expected, uint32_t desired) */
        .globl  weft_replace_user_word
        .hidden weft_replace_user_word
        .type   weft_replace_user_word, @function
        .p2align 4
weft_replace_user_word:
        .cfi_startproc
        movl    (%rsi), %eax
        lock cmpxchgl %edx, (%rdi)
        movl    %eax, (%rsi)
        movl    $1, %eax
        movl    $2, %ecx
        cmovne  %ecx, %eax
        ret
        .cfi_endproc
        .size   weft_replace_user_word, .-weft_replace_user_word

        .globl  weft_user_end
        .hidden weft_user_end
weft_user_end:

        .globl  weft_user_fault
        .hidden weft_user_fault
        .type   weft_user_fault, @function
weft_user_fault:
        .cfi_startproc
        xorl    %eax, %eax
        ret
        .cfi_endproc
        .size   weft_user_fault, .-weft_user_fault

        .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: BSL-1.0
 *
 * System calls in every position that makes rewriting hard. Each function is described where
 * awkward.hpp declares it. 39 is getpid, 110 getppid, 102 getuid, 104 getgid.
 */
.macro FUNCTION name
  .globl \name
  .type \name, @function
  .balign 16
\name:
  .cfi_startproc
.endm
.macro END name
  .cfi_endproc
  .size \name, . - \name
.endm

  .text

FUNCTION awkward_plain
  mov     $110, %eax
  syscall
  ret
END awkward_plain

FUNCTION awkward_at_start_impl
  syscall
  cmp     $-4095, %rax
  jae     1f
  ret
1: mov    $-1, %rax
  ret
END awkward_at_start_impl

FUNCTION awkward_at_start
  mov     $110, %eax
  jmp     awkward_at_start_impl
END awkward_at_start

FUNCTION awkward_entered
  mov     $39, %eax
  test    %edi, %edi
  jz      1f
  mov     $110, %eax
1: syscall
  cmp     $-4095, %rax
  jae     2f
  ret
2: mov    $-1, %rax
  ret
END awkward_entered

FUNCTION awkward_number_in_memory
  mov     number(%rip), %eax
  syscall
  ret
END awkward_number_in_memory

FUNCTION awkward_address_behind
  mov     %edi, %eax
  test    %eax, %eax
  jz      1f
1: syscall
  lea     number(%rip), %rdx
  sub     (%rdx), %rax
  ret
END awkward_address_behind

FUNCTION awkward_immediate
  mov     $0x050f050f, %eax
  mov     $0x0000006e, %ecx
  add     $0x050fb8, %eax
  ret
END awkward_immediate

FUNCTION awkward_back_to_back
  push    %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset rbx, 0
  mov     $39, %eax
  syscall
  mov     %rax, %rbx
  mov     $110, %eax
  syscall
  add     %rbx, %rax
  pop     %rbx
  .cfi_adjust_cfa_offset -8
  ret
END awkward_back_to_back

FUNCTION awkward_twice
  mov     $39, %eax
  syscall
  syscall
  ret
END awkward_twice

FUNCTION awkward_loop
  mov     $110, %edx
  mov     $2, %r8d
1: xor    %edi, %edi
  mov     %edx, %eax
  syscall
  jmp     2f
2: dec    %r8d
  jnz     1b
  ret
END awkward_loop

FUNCTION awkward_wide_register
  mov     $110, %eax
  mov     $39, %r8d
  syscall
  ret
END awkward_wide_register

FUNCTION awkward_zero
  xor     %eax, %eax
  mov     $-1, %edi
  lea     number(%rip), %rsi
  xor     %edx, %edx
  syscall
  ret
END awkward_zero

FUNCTION awkward_switch
  cmp     $2, %edi
  ja      9f
  lea     table(%rip), %rcx
  mov     %edi, %edi
  movslq  (%rcx,%rdi,4), %rdi
  add     %rcx, %rdi
  jmp     *%rdi
case_a:
  mov     $102, %eax
  xor     %edx, %edx
  syscall
  ret
case_b:
  mov     $39, %edx
  mov     %edx, %eax
  .byte   0x0f, 0x1f, 0x00
case_c:
  xor     %edx, %edx
  syscall
  ret
9: mov    $-1, %rax
  ret
END awkward_switch

FUNCTION awkward_cold
  mov     $39, %eax
  cmp     $1, %edi
  je      cold_part
  mov     $110, %edx
  mov     %edx, %eax
cold_return:
  xor     %edx, %edx
  syscall
  ret
END awkward_cold

/* As gcc splits a function: its cold part has a frame of its own. */
FUNCTION cold_part
  mov     $104, %eax
  .rept 130
  nop
  .endr
  jmp     cold_return
END cold_part

FUNCTION awkward_unwanted
  mov     $104, %eax
  syscall
  ret
END awkward_unwanted

FUNCTION awkward_no_room
  mov     %edi, %eax
  cmp     $0, %edi
  jne     1f
1: syscall
  ret
END awkward_no_room

FUNCTION awkward_sigreturn
  ret
  .byte 0x66, 0x90
  mov     $15, %rax
  syscall
END awkward_sigreturn

/* Functions that no frame describes. */
  .balign 16
  .globl awkward_gap_plain
  .type awkward_gap_plain, @function
awkward_gap_plain:
  mov     $110, %eax
  syscall
  ret
  .balign 16
  .globl awkward_gap
  .type awkward_gap, @function
awkward_gap:
  mov     $110, %edx
  mov     %edx, %eax
  xor     %edi, %edi
  xor     %esi, %esi
  syscall
  ret

FUNCTION awkward_end
  ret
END awkward_end

/* A table amid the code; 06 is no instruction. */
  .byte   0x06, 0x0f, 0x05, 0x00

/* awkward_registers(const registers* in, registers* out): see awkward.hpp. */
FUNCTION awkward_registers
  push    %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset rbx, 0
  push    %rbp
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset rbp, 0
  push    %r12
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset r12, 0
  push    %r13
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset r13, 0
  push    %r14
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset r14, 0
  push    %r15
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset r15, 0
  push    %rsi
  .cfi_adjust_cfa_offset 8
  .set i, 0
  .rept 16
  mov     128+8*i(%rdi), %rax
  mov     %rax, -128+8*i(%rsp)
  .set i, i+1
  .endr
  movdqu  256(%rdi), %xmm0
  movdqu  272(%rdi), %xmm1
  movdqu  288(%rdi), %xmm2
  movdqu  304(%rdi), %xmm3
  movdqu  320(%rdi), %xmm4
  movdqu  336(%rdi), %xmm5
  movdqu  352(%rdi), %xmm6
  movdqu  368(%rdi), %xmm7
  movdqu  384(%rdi), %xmm8
  movdqu  400(%rdi), %xmm9
  movdqu  416(%rdi), %xmm10
  movdqu  432(%rdi), %xmm11
  movdqu  448(%rdi), %xmm12
  movdqu  464(%rdi), %xmm13
  movdqu  480(%rdi), %xmm14
  movdqu  496(%rdi), %xmm15
  mov     16(%rdi), %rdx
  mov     24(%rdi), %rbx
  mov     32(%rdi), %rsi
  mov     48(%rdi), %rbp
  mov     64(%rdi), %r8
  mov     72(%rdi), %r9
  mov     80(%rdi), %r10
  mov     96(%rdi), %r12
  mov     104(%rdi), %r13
  mov     112(%rdi), %r14
  mov     120(%rdi), %r15
  mov     %rsp, saved_rsp(%rip)
  mov     56(%rdi), %rax
  sub     $256, %rsp
  push    %rax
  mov     0(%rdi), %rax
  mov     40(%rdi), %rdi
  popfq
  lea     256(%rsp), %rsp
  syscall
  .globl awkward_registers_site
  .type awkward_registers_site, @function
awkward_registers_site:
  mov     %rax, %rcx
  mov     (%rsp), %rax
  mov     %rcx, 0(%rax)
  mov     %rsp, 8(%rax)
  mov     %rdx, 16(%rax)
  mov     %rbx, 24(%rax)
  mov     %rsi, 32(%rax)
  mov     %rdi, 40(%rax)
  mov     %rbp, 48(%rax)
  mov     %r8, 64(%rax)
  mov     %r9, 72(%rax)
  mov     %r10, 80(%rax)
  mov     %r12, 96(%rax)
  mov     %r13, 104(%rax)
  mov     %r14, 112(%rax)
  mov     %r15, 120(%rax)
  .set i, 0
  .rept 16
  mov     -128+8*i(%rsp), %rdx
  mov     %rdx, 128+8*i(%rax)
  .set i, i+1
  .endr
  lea     -128(%rsp), %rsp
  pushfq
  pop     %rdx
  lea     128(%rsp), %rsp
  mov     %rdx, 56(%rax)
  pushq   $0x202
  popfq
  movdqu  %xmm0, 256(%rax)
  movdqu  %xmm1, 272(%rax)
  movdqu  %xmm2, 288(%rax)
  movdqu  %xmm3, 304(%rax)
  movdqu  %xmm4, 320(%rax)
  movdqu  %xmm5, 336(%rax)
  movdqu  %xmm6, 352(%rax)
  movdqu  %xmm7, 368(%rax)
  movdqu  %xmm8, 384(%rax)
  movdqu  %xmm9, 400(%rax)
  movdqu  %xmm10, 416(%rax)
  movdqu  %xmm11, 432(%rax)
  movdqu  %xmm12, 448(%rax)
  movdqu  %xmm13, 464(%rax)
  movdqu  %xmm14, 480(%rax)
  movdqu  %xmm15, 496(%rax)
  mov     saved_rsp(%rip), %rdx
  sub     %rdx, 8(%rax)
  pop     %rsi
  .cfi_adjust_cfa_offset -8
  pop     %r15
  .cfi_adjust_cfa_offset -8
  .cfi_restore r15
  pop     %r14
  .cfi_adjust_cfa_offset -8
  .cfi_restore r14
  pop     %r13
  .cfi_adjust_cfa_offset -8
  .cfi_restore r13
  pop     %r12
  .cfi_adjust_cfa_offset -8
  .cfi_restore r12
  pop     %rbp
  .cfi_adjust_cfa_offset -8
  .cfi_restore rbp
  pop     %rbx
  .cfi_adjust_cfa_offset -8
  .cfi_restore rbx
  ret
END awkward_registers

/* awkward_call(nr, a, b, c, d, e): any system call, as libc's syscall() makes it. The number is
 * in a register and five bytes of single instruction precede the site. */
FUNCTION awkward_call
  mov     %rdi, %rax
  mov     %rsi, %rdi
  mov     %rdx, %rsi
  mov     %rcx, %rdx
  mov     %r8, %r10
  mov     %r9, %r8
  syscall
  ret
END awkward_call

/* awkward_vfork(depth): the child makes `depth` more, writes all over the stack that it shares, and
 * exits with 7. */
FUNCTION awkward_vfork
  push    %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset rbx, 0
  push    %r12
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset r12, 0
  mov     %edi, %r12d
  mov     $0x123456789abcdef0, %rbx
  mov     $58, %eax
  syscall
  test    %rax, %rax
  jz      1f
  mov     $0x123456789abcdef0, %rdx
  cmp     %rdx, %rbx
  mov     $-1, %rdx
  cmovne  %rdx, %rax
  pop     %r12
  .cfi_adjust_cfa_offset -8
  pop     %rbx
  .cfi_adjust_cfa_offset -8
  ret
  .cfi_adjust_cfa_offset 16
1: dec    %r12d
  js      2f
  mov     %r12d, %edi
  call    awkward_vfork
  mov     $8, %edi
  test    %rax, %rax
  js      3f
2: mov    $500, %ecx
4: push   %rcx
  dec     %ecx
  jnz     4b
  mov     $7, %edi
3: mov    $60, %eax
  syscall
END awkward_vfork

  .section .rodata
  .balign 4
table:
  .long case_a - table
  .long case_b - table
  .long case_c - table
  .long 0x7fffffff

  .data
  .balign 4
number:
  .long 110
  .long 0
  .balign 8
saved_rsp:
  .quad 0

  .section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: BSL-1.0
 *
 * The entry stub: see entry.hpp. Its caller is a slot,
 *
 *       .quad  resume                  address after the `syscall` in its object
 *       (moved instructions)
 *       lea    -128(%rsp),%rsp         past the red zone, flags untouched
 *       call   *entry(%rip)
 *       lea    128(%rsp),%rsp          8 bytes
 *       (moved instructions)
 *       jmp    back
 *
 * so on entry, with U the program's rsp: (%rsp) == U-136 holds the return address RA, and
 * RA & -128 is the slot's start. In CFI terms the frame's CFA is U and its caller's pc is
 * *(*(CFA-136) & -128), which DW_CFA_val_expression says.
 */
#include "patch/sites/entry_layout.h"

#define NR_CLONE 56
#define NR_VFORK 58
#define NR_CLONE3 435
#define NR_FUTEX 202

/* rip = *(*(CFA-136) & -128) */
.macro CFI_PC_FROM_STACK
  .cfi_escape 0x16,0x10,8, 0x08,136,0x1c,0x06,0x09,0x80,0x1a,0x06
.endm
/* rip = *(*rbx & -128), rbx saved at rbx+8: rbx is a spawn_record */
.macro CFI_FROM_RECORD
  .cfi_escape 0x16,0x10,7, 0x73,0x00,0x06,0x09,0x80,0x1a,0x06
  .cfi_escape 0x10,0x03,2, 0x73,WEFT_SPAWN_RBX
.endm
/* rip = *(*(CFA-8) & -128): a child on the stack that it was given */
.macro CFI_PC_FROM_CHILD_STACK
  .cfi_escape 0x16,0x10,7, 0x38,0x1c,0x06,0x09,0x80,0x1a,0x06
.endm
/* Right after a `syscall` that gave the child a stack, rax tells which of the two this is. */
.macro CFI_BY_RESULT
  .cfi_escape 0x0f,10, 0x77,0x00,0x70,0x00,0x30,0x2e,0x08,136,0x1e,0x22
  .cfi_escape 0x16,0x10,15, 0x70,0x00,0x30,0x2e,0x08,128,0x1e,0x38,0x22,0x1c,0x06,0x09,0x80,0x1a,0x06
.endm
/* rip = *(rcx & -128) */
.macro CFI_PC_FROM_RCX
  .cfi_escape 0x16,0x10,6, 0x72,0x00,0x09,0x80,0x1a,0x06
.endm
.macro CFI_AT_ENTRY
  .cfi_def_cfa rsp, 136
  CFI_PC_FROM_STACK
.endm

/* Flags: lahf and seto cost two cycles where popf costs twenty, and pushf as much as whatever is
 * under way needs to end: 9 ns right after the locked instruction that nearly every futex call of
 * libc's follows. */
.macro FLAGS_TO_AX
  lahf
  seto    %al
.endm
.macro FLAGS_FROM_AX
  add     $0x7f, %al
  sahf
.endm

/* From the state at entry to a syscall_frame at rsp. Afterwards rbx == U-152. With `in_ax` the flags
 * are where FLAGS_TO_AX put them and the call's number is in rcx; of the rare flags only DF is looked
 * for then, which would break what is called: the others are left as they are (signal_arrival.cpp,
 * switch_x86_64.S). */
.macro SAVE_FRAME in_ax=0
  .if \in_ax
  lea     -8(%rsp), %rsp
  .else
  pushfq
  .endif
  .cfi_adjust_cfa_offset 8
  push    %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_rel_offset rbx, 0
  mov     %rsp, %rbx
  .cfi_def_cfa_register rbx
  and     $-16, %rsp
  sub     $WEFT_FRAME_SIZE, %rsp
  .if \in_ax
  mov     %rcx, WEFT_FRAME_RAX(%rsp)
  .else
  mov     %rax, WEFT_FRAME_RAX(%rsp)
  .endif
  mov     %rdi, WEFT_FRAME_RDI(%rsp)
  mov     %rsi, WEFT_FRAME_RSI(%rsp)
  mov     %rdx, WEFT_FRAME_RDX(%rsp)
  mov     %r10, WEFT_FRAME_R10(%rsp)
  mov     %r8, WEFT_FRAME_R8(%rsp)
  mov     %r9, WEFT_FRAME_R9(%rsp)
  mov     (%rbx), %rcx
  mov     %rcx, WEFT_FRAME_RBX(%rsp)
  mov     %rbp, WEFT_FRAME_RBP(%rsp)
  mov     %r12, WEFT_FRAME_R12(%rsp)
  mov     %r13, WEFT_FRAME_R13(%rsp)
  mov     %r14, WEFT_FRAME_R14(%rsp)
  mov     %r15, WEFT_FRAME_R15(%rsp)
  lea     152(%rbx), %rcx
  mov     %rcx, WEFT_FRAME_USER_RSP(%rsp)
  mov     16(%rbx), %rcx
  lea     WEFT_SLOT_LEA_SIZE(%rcx), %r11
  mov     %r11, WEFT_FRAME_CHILD_RESUME(%rsp)
  and     $-WEFT_SLOT_SIZE, %rcx
  mov     (%rcx), %rcx
  mov     %rcx, WEFT_FRAME_RESUME(%rsp)
  .if \in_ax
  movzbl  %al, %ecx
  shl     $11, %ecx
  movzbl  %ah, %edx
  lea     0x200(%rcx,%rdx), %ecx
  mov     %rcx, WEFT_FRAME_RFLAGS(%rsp)
  mov     %rsp, %rsi                    /* which way do string instructions go? */
  lodsb
  cmp     %rsp, %rsi
  ja      .Lplain_flags\@
  pushfq
  pop     %rcx
  and     $WEFT_RARE_FLAGS, %ecx
  or      %rcx, WEFT_FRAME_RFLAGS(%rsp)
  .else
  mov     8(%rbx), %rcx
  mov     %rcx, WEFT_FRAME_RFLAGS(%rsp)
  test    $WEFT_RARE_FLAGS, %ecx
  jz      .Lplain_flags\@
  .endif
  pushq   $WEFT_PLAIN_FLAGS
  popfq
.Lplain_flags\@:
.endm

/* The reverse, back to the state at entry but for rax: the frame's, as all others. With
 * `record`, the frame's rbx is a spawn_record that holds the program's. */
.macro RESTORE_FRAME record=0
  mov     WEFT_FRAME_RFLAGS(%rsp), %rcx
  test    $WEFT_RARE_FLAGS, %ecx
  jz      .Lrestore_plain\@
  push    %rcx
  popfq
  jmp     .Lrestore_registers\@
.Lrestore_plain\@:
  mov     %cl, %ah
  shr     $11, %ecx
  and     $1, %ecx
  add     $0x7f, %cl
  sahf
.Lrestore_registers\@:
  mov     WEFT_FRAME_RDI(%rsp), %rdi
  mov     WEFT_FRAME_RSI(%rsp), %rsi
  mov     WEFT_FRAME_RDX(%rsp), %rdx
  mov     WEFT_FRAME_R10(%rsp), %r10
  mov     WEFT_FRAME_R8(%rsp), %r8
  mov     WEFT_FRAME_R9(%rsp), %r9
  mov     WEFT_FRAME_RBP(%rsp), %rbp
  mov     WEFT_FRAME_R12(%rsp), %r12
  mov     WEFT_FRAME_R13(%rsp), %r13
  mov     WEFT_FRAME_R14(%rsp), %r14
  mov     WEFT_FRAME_R15(%rsp), %r15
  mov     WEFT_FRAME_RAX(%rsp), %rax
  mov     %rbx, %rcx
  .cfi_def_cfa_register rcx
  mov     WEFT_FRAME_RBX(%rsp), %rbx
  .if \record
  CFI_FROM_RECORD
  .else
  .cfi_same_value rbx
  .endif
  lea     16(%rcx), %rsp
  .cfi_def_cfa rsp, 136
.endm

  .section .text.weft_entry, "ax", @progbits
  .hidden weft_dispatch, weft_native, weft_after_spawn, weft_prepare_spawn
  .hidden weft_self, weft_spawn_top, weft_virtual
  .hidden weft_futex_lists, weft_wake, weft_finish_wake
  .globl weft_entry_begin
  .hidden weft_entry_begin
weft_entry_begin:

  .globl weft_entry
  .hidden weft_entry
  .type weft_entry, @function
  .balign 64
weft_entry:
  .cfi_startproc
  .cfi_signal_frame
  CFI_AT_ENTRY
  mov     %rax, %rcx
  FLAGS_TO_AX
  cmp     $WEFT_VIRTUAL_SIZE, %rcx
  jae     .Lnative
  lea     weft_virtual(%rip), %r11
  cmpb    $0, (%r11,%rcx)
  je      .Lnot_virtual
  mov     weft_self@gottpoff(%rip), %r11
  mov     %fs:(%r11), %r11
  test    %r11, %r11
  jz      .Lnot_virtual
  cmpb    $0, WEFT_STATE_PASSTHROUGH(%r11)
  jne     .Lnot_virtual
  cmp     $NR_FUTEX, %ecx
  je      .Lfutex

.Ldispatch:
  SAVE_FRAME in_ax=1
  mov     %rsp, %rdi
  call    weft_dispatch
  cmp     $1, %eax
  je      .Ldispatched_native
  ja      weft_entry_spawn
  .cfi_remember_state
  RESTORE_FRAME
  ret
  .cfi_restore_state

.Ldispatched_native:
  mov     %rsp, %rdi
  call    weft_native
  .cfi_remember_state
  RESTORE_FRAME
  ret
  .cfi_restore_state

/* A wake of one that waits for a futex word, or would: libc's mutexes make one of the latter kind at
 * each unlock after a wait for a condition variable. Without a frame it costs half. */
.Lfutex:
  CFI_AT_ENTRY
  .cfi_same_value rbx
  cmp     $WEFT_FUTEX_WAKE_PRIVATE, %esi
  jne     .Ldispatch
  test    $3, %dil
  jnz     .Ldispatch
  cmp     $1, %edx
  jne     .Ldispatch
  mov     weft_futex_lists(%rip), %rcx
  jrcxz   .Ldispatch_futex
  movabs  $WEFT_FUTEX_HASH, %r11
  imul    %rdi, %r11
  shr     $WEFT_FUTEX_HASH_SHIFT, %r11
  shl     $WEFT_FUTEX_LIST_SHIFT, %r11
  add     %r11, %rcx
  cmp     %rcx, (%rcx)
  jne     .Lwake
  FLAGS_FROM_AX
  mov     $0, %eax
  ret
.Lwake:
  push    %rax
  .cfi_adjust_cfa_offset 8
  push    %rdi
  .cfi_adjust_cfa_offset 8
  push    %rsi
  .cfi_adjust_cfa_offset 8
  push    %rdx
  .cfi_adjust_cfa_offset 8
  push    %r8
  .cfi_adjust_cfa_offset 8
  push    %r9
  .cfi_adjust_cfa_offset 8
  push    %r10
  .cfi_adjust_cfa_offset 8
  mov     %rcx, %rsi
  call    weft_wake
  mov     %eax, %ecx
  pop     %r10
  .cfi_adjust_cfa_offset -8
  pop     %r9
  .cfi_adjust_cfa_offset -8
  pop     %r8
  .cfi_adjust_cfa_offset -8
  pop     %rdx
  .cfi_adjust_cfa_offset -8
  pop     %rsi
  .cfi_adjust_cfa_offset -8
  pop     %rdi
  .cfi_adjust_cfa_offset -8
  pop     %rax
  .cfi_adjust_cfa_offset -8
  dec     %ecx
  jg      .Lfinish_wake
  js      .Ldispatch_futex
  FLAGS_FROM_AX
  mov     $1, %eax
  ret
.Ldispatch_futex:
  mov     $NR_FUTEX, %ecx
  jmp     .Ldispatch

.Lfinish_wake:
  mov     $NR_FUTEX, %ecx
  SAVE_FRAME in_ax=1
  mov     %rsp, %rdi
  call    weft_finish_wake
  RESTORE_FRAME
  ret

.Lnot_virtual:
  CFI_AT_ENTRY
  .cfi_same_value rbx
  cmp     $NR_CLONE3, %ecx
  je      .Lspawn_bare
  cmp     $NR_CLONE, %ecx
  je      .Lspawn_bare
  cmp     $NR_VFORK, %ecx
  je      .Lspawn_bare
.Lnative:
  FLAGS_FROM_AX
  mov     %rcx, %rax
  syscall
  .globl weft_entry_native_fast
  .hidden weft_entry_native_fast
weft_entry_native_fast:
  ret

.Lspawn_bare:
  FLAGS_FROM_AX
  mov     %rcx, %rax
  SAVE_FRAME
  jmp     weft_entry_spawn_bare
  .cfi_endproc
  .size weft_entry, . - weft_entry

/* Makes a child by the kernel, with a frame at rsp and rbx as SAVE_FRAME left it. The return
 * address must reach parent and child: it stays where it is if the child has a copy of the stack
 * (fork), lies below the top of the stack that the child was given (posix_spawn,
 * pthread_create), or in a spawn_record that rbx points to when both use one stack (vfork). */
.macro SPAWN name, after
  .type \name, @function
\name:
  .cfi_startproc
  .cfi_signal_frame
  CFI_PC_FROM_STACK
  .cfi_def_cfa rbx, 152
  .cfi_offset rbx, -152
  mov     %rsp, %rdi
  mov     $\after, %esi
  call    weft_prepare_spawn
  cmp     $WEFT_SPAWN_OWN_STACK, %rax
  ja      .Lrecord\@
  je      .Lown_stack\@
  .cfi_remember_state
  RESTORE_FRAME
  syscall
  jmp     .Lfinish\@
  .cfi_restore_state

.Lown_stack\@:
  .cfi_remember_state
  RESTORE_FRAME
  syscall
  CFI_BY_RESULT
  mov     %rax, %rcx
  jrcxz   .Lchild\@
  CFI_AT_ENTRY
  jmp     .Lfinish\@
.Lchild\@:
  .cfi_def_cfa rsp, 0
  CFI_PC_FROM_CHILD_STACK
  .if \after
  mov     WEFT_CHILD_WANTS_AFTER(%rsp), %rcx
  jrcxz   .Lchild_direct\@
  mov     WEFT_CHILD_RETURN_ADDRESS(%rsp), %rcx
  lea     -WEFT_RED_ZONE(%rsp), %rsp
  .cfi_def_cfa_offset 128
  push    %rcx
  CFI_AT_ENTRY
  jmp     .Lfinish\@
.Lchild_direct\@:
  .cfi_def_cfa rsp, 0
  CFI_PC_FROM_CHILD_STACK
  .endif
  mov     WEFT_CHILD_RETURN_ADDRESS(%rsp), %rcx
  lea     WEFT_SLOT_LEA_SIZE(%rcx), %rcx
  jmp     *%rcx
  .cfi_restore_state

.Lrecord\@:
  .cfi_remember_state
  mov     %rax, WEFT_FRAME_RBX(%rsp)
  RESTORE_FRAME record=1
  lea     136(%rsp), %rsp
  .cfi_def_cfa_offset 0
  syscall
  mov     %rax, %rcx
  jrcxz   .Lon_shared_stack\@
  mov     weft_spawn_top@gottpoff(%rip), %rcx
  mov     WEFT_SPAWN_PREVIOUS(%rbx), %r11
  mov     %r11, %fs:(%rcx)
  .if \after
  lea     -WEFT_RED_ZONE(%rsp), %rsp
  .cfi_def_cfa_offset 128
  push    WEFT_SPAWN_RETURN_ADDRESS(%rbx)
  CFI_AT_ENTRY
  mov     WEFT_SPAWN_RBX(%rbx), %rbx
  .cfi_same_value rbx
  jmp     .Lfinish\@
  .endif
.Lon_shared_stack\@:
  .cfi_def_cfa rsp, 0
  CFI_FROM_RECORD
  mov     WEFT_SPAWN_RETURN_ADDRESS(%rbx), %rcx
  mov     WEFT_SPAWN_RBX(%rbx), %rbx
  CFI_PC_FROM_RCX
  .cfi_same_value rbx
  lea     WEFT_SLOT_LEA_SIZE(%rcx), %rcx
  jmp     *%rcx
  .cfi_restore_state

.Lfinish\@:
  CFI_AT_ENTRY
  .cfi_same_value rbx
  .if \after
  SAVE_FRAME
  mov     %rsp, %rdi
  call    weft_after_spawn
  RESTORE_FRAME
  .endif
  ret
  .cfi_endproc
  .size \name, . - \name
.endm

  SPAWN weft_entry_spawn, 1
  SPAWN weft_entry_spawn_bare, 0

  .globl weft_entry_end
  .hidden weft_entry_end
weft_entry_end:

  .globl weft_resume_frame
  .hidden weft_resume_frame
  .type weft_resume_frame, @function
weft_resume_frame:
  .cfi_startproc
  .cfi_undefined rip
  pushq   WEFT_FRAME_RFLAGS(%rdi)
  popfq
  mov     WEFT_FRAME_RSI(%rdi), %rsi
  mov     WEFT_FRAME_RDX(%rdi), %rdx
  mov     WEFT_FRAME_R10(%rdi), %r10
  mov     WEFT_FRAME_R8(%rdi), %r8
  mov     WEFT_FRAME_R9(%rdi), %r9
  mov     WEFT_FRAME_RBX(%rdi), %rbx
  mov     WEFT_FRAME_RBP(%rdi), %rbp
  mov     WEFT_FRAME_R12(%rdi), %r12
  mov     WEFT_FRAME_R13(%rdi), %r13
  mov     WEFT_FRAME_R14(%rdi), %r14
  mov     WEFT_FRAME_R15(%rdi), %r15
  mov     WEFT_FRAME_RAX(%rdi), %rax
  mov     WEFT_FRAME_CHILD_RESUME(%rdi), %rcx
  mov     WEFT_FRAME_USER_RSP(%rdi), %rsp
  mov     WEFT_FRAME_RDI(%rdi), %rdi
  jmp     *%rcx
  .cfi_endproc
  .size weft_resume_frame, . - weft_resume_frame

/* A page of text on which may_rewrite_text tries what this process is allowed. */
  .section .text.weft_spare, "ax", @progbits
  .globl weft_spare_text_page
  .hidden weft_spare_text_page
  .type weft_spare_text_page, @object
  .balign 4096, 0xcc
weft_spare_text_page:
  .fill 4096, 1, 0xcc
  .size weft_spare_text_page, 4096

  .section .note.GNU-stack, "", @progbits

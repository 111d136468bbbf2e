/* SPDX-License-Identifier: BSL-1.0
 *
 * Offsets that entry_x86_64.S and C++ share; entry.cpp checks them against the types.
 */
#ifndef WEFT_PATCH_SITES_ENTRY_LAYOUT_H
#define WEFT_PATCH_SITES_ENTRY_LAYOUT_H

/* A trampoline's slots: their size, which is also their alignment, and what lies between the
 * stub's return address and the end of the slot's `lea 128(%rsp),%rsp`. */
#define WEFT_SLOT_SIZE 128
#define WEFT_SLOT_LEA_SIZE 8

/* The red zone, skipped by the slot before it calls the stub. */
#define WEFT_RED_ZONE 128

#define WEFT_VIRTUAL_SIZE 512

/* TF, DF, NT, AC: flags that are nearly never set, and that only popf sets or clears; and those of
 * a thread that has set none. */
#define WEFT_RARE_FLAGS 0x44500
#define WEFT_PLAIN_FLAGS 0x202

/* The stub's answer to wakes of futexes that nobody waits for: FUTEX_WAKE_PRIVATE, and which of
 * the lists a word's waiters are in: the upper 12 bits of its address times this. */
#define WEFT_FUTEX_WAKE_PRIVATE 129
#define WEFT_FUTEX_HASH 0x9e3779b97f4a7c15
#define WEFT_FUTEX_HASH_SHIFT 52
#define WEFT_FUTEX_LIST_SHIFT 4 /* of a list's size */

/* syscall_frame */
#define WEFT_FRAME_RAX 0
#define WEFT_FRAME_RDI 8
#define WEFT_FRAME_RSI 16
#define WEFT_FRAME_RDX 24
#define WEFT_FRAME_R10 32
#define WEFT_FRAME_R8 40
#define WEFT_FRAME_R9 48
#define WEFT_FRAME_RBX 56
#define WEFT_FRAME_RBP 64
#define WEFT_FRAME_R12 72
#define WEFT_FRAME_R13 80
#define WEFT_FRAME_R14 88
#define WEFT_FRAME_R15 96
#define WEFT_FRAME_RFLAGS 104
#define WEFT_FRAME_USER_RSP 112
#define WEFT_FRAME_RESUME 120
#define WEFT_FRAME_CHILD_RESUME 128
#define WEFT_FRAME_SIZE 144

/* entry_state */
#define WEFT_STATE_PASSTHROUGH 0

/* spawn_record */
#define WEFT_SPAWN_RETURN_ADDRESS 0
#define WEFT_SPAWN_RBX 8
#define WEFT_SPAWN_PREVIOUS 16

/* Values of weft_prepare_spawn; anything else is a spawn_record's address. */
#define WEFT_SPAWN_COPIED_STACK 0
#define WEFT_SPAWN_OWN_STACK 1

/* What is left for the child under the top of its own stack. */
#define WEFT_CHILD_RETURN_ADDRESS -8
#define WEFT_CHILD_WANTS_AFTER -16

#endif

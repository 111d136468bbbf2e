// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

/// libawkward: see awkward_x86_64.S.
extern "C" {
long awkward_plain();                // mov $getppid,%eax; syscall
long awkward_at_start();             // getppid by a function that begins with its `syscall`
long awkward_entered(int which);     // 0: getpid by a branch to the `syscall`; else getppid
long awkward_number_in_memory();     // getppid, its number loaded rip-relatively
long awkward_address_behind(int nr); // `nr`, minus 110 loaded rip-relatively after the site
long awkward_immediate();            // has 0f 05 in immediates, and no system call
long awkward_back_to_back();         // getpid + getppid
long awkward_twice();                // getpid, then whatever number that is, by adjacent `syscall`s
long awkward_loop();                 // getppid twice, a branch back to four bytes before the site
long awkward_wide_register();        // getppid, behind mov $39,%r8d, which ends like a plain site
long awkward_zero();                 // read(-1, ...)
long awkward_switch(int which);      // 0: getuid; 1: getpid; 2: `case` label inside its layout
long awkward_cold(int which); // 1: getgid by a cold part that jumps into a layout; else getppid
long awkward_unwanted();      // getgid
long awkward_no_room(int nr); // entered at the `syscall`, which a `ret` follows
void awkward_sigreturn();
long awkward_gap_plain(); // getppid in a function without a frame
long awkward_gap();       // the same, not in the plain form
void awkward_end();
long awkward_call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0);
long awkward_vfork(int depth); // -1 if registers were lost, else the child

struct registers {
  std::uint64_t rax, rsp, rdx, rbx, rsi, rdi, rbp, rflags, r8, r9, r10, unused, r12, r13, r14, r15;
  std::uint64_t red_zone[16];
  std::uint64_t xmm[32];
  bool operator==(const registers&) const = default;
};

/// Loads every register from `in`, makes the system call `in->rax`, and stores what it finds.
/// out->rsp is the stack pointer's change.
void awkward_registers(const registers* in, registers* out);
void awkward_registers_site(); // a label behind its `syscall`
}

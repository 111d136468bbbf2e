// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/seccomp_filter.hpp"

#include <linux/audit.h>
#include <sys/syscall.h>

#include <cstddef>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/print.hpp"
#include "patch/kernel/user_memory.hpp"

namespace weft::patch {
namespace {

struct need {
  int number;
  const char* name;
};

/// What weft calls for the program's threads and at no wish of theirs.
constexpr need needs[] = {
    {SYS_futex, "futex"},
    {SYS_rt_sigprocmask, "rt_sigprocmask"},
    {SYS_rt_sigaction, "rt_sigaction"},
    {SYS_rt_sigreturn, "rt_sigreturn"},
    {SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo"},
    {SYS_epoll_create1, "epoll_create1"},
    {SYS_epoll_ctl, "epoll_ctl"},
    {SYS_epoll_pwait, "epoll_pwait"},
    {SYS_epoll_pwait2, "epoll_pwait2"},
    {SYS_eventfd2, "eventfd2"},
    {SYS_fcntl, "fcntl"},
    {SYS_fstat, "fstat"},
    {SYS_poll, "poll"},
    {SYS_mmap, "mmap"},
    {SYS_munmap, "munmap"},
    {SYS_mprotect, "mprotect"},
    {SYS_madvise, "madvise"},
    {SYS_clone, "clone"},
    {SYS_sigaltstack, "sigaltstack"},
    {SYS_nanosleep, "nanosleep"},
    {SYS_exit, "exit"},
};

bool is_forbidden(std::uint32_t answer) noexcept {
  switch (answer & SECCOMP_RET_ACTION_FULL) {
  case SECCOMP_RET_KILL_PROCESS:
  case SECCOMP_RET_KILL_THREAD:
  case SECCOMP_RET_TRAP:
  case SECCOMP_RET_ERRNO:
    return true;
  default:
    return false;
  }
}

bool forbids(const sock_fprog& filter, int number) noexcept {
  seccomp_data call{};
  call.nr = number;
  call.arch = AUDIT_ARCH_X86_64;
  return is_forbidden(evaluate_filter(filter.filter, filter.len, call));
}

/// The accumulator after an arithmetic instruction; false if it divides by zero.
bool compute(unsigned operation, std::uint32_t& a, std::uint32_t by) noexcept {
  switch (operation) {
  case BPF_ADD:
    a += by;
    return true;
  case BPF_SUB:
    a -= by;
    return true;
  case BPF_MUL:
    a *= by;
    return true;
  case BPF_DIV:
    if (by == 0) return false;
    a /= by;
    return true;
  case BPF_OR:
    a |= by;
    return true;
  case BPF_AND:
    a &= by;
    return true;
  case BPF_XOR:
    a ^= by;
    return true;
  case BPF_LSH:
    a = by < 32 ? a << by : 0;
    return true;
  case BPF_RSH:
    a = by < 32 ? a >> by : 0;
    return true;
  case BPF_NEG:
    a = -a;
    return true;
  default:
    return false;
  }
}

bool holds(unsigned comparison, std::uint32_t a, std::uint32_t with) noexcept {
  switch (comparison) {
  case BPF_JEQ:
    return a == with;
  case BPF_JGT:
    return a > with;
  case BPF_JGE:
    return a >= with;
  default: // BPF_JSET
    return (a & with) != 0;
  }
}

} // namespace

std::uint32_t evaluate_filter(const sock_filter* code, unsigned count,
                              const seccomp_data& call) noexcept {
  std::uint32_t a = 0, x = 0, memory[BPF_MEMWORDS] = {};
  // Every jump goes forward.
  for (unsigned at = 0; at < count; ++at) {
    sock_filter i;
    if (!get_user(i, code + at)) break;
    const std::uint32_t source = BPF_SRC(i.code) == BPF_X ? x : i.k;
    switch (BPF_CLASS(i.code)) {
    case BPF_LD:
      if (BPF_MODE(i.code) == BPF_ABS) {
        if (i.k % 4 != 0 || i.k > sizeof call - 4) return SECCOMP_RET_ALLOW;
        __builtin_memcpy(&a, reinterpret_cast<const char*>(&call) + i.k, sizeof a);
      } else if (BPF_MODE(i.code) == BPF_MEM) {
        a = memory[i.k % BPF_MEMWORDS];
      } else {
        a = BPF_MODE(i.code) == BPF_LEN ? sizeof call : i.k;
      }
      break;
    case BPF_LDX:
      if (BPF_MODE(i.code) == BPF_MEM)
        x = memory[i.k % BPF_MEMWORDS];
      else
        x = BPF_MODE(i.code) == BPF_LEN ? sizeof call : i.k;
      break;
    case BPF_ST:
      memory[i.k % BPF_MEMWORDS] = a;
      break;
    case BPF_STX:
      memory[i.k % BPF_MEMWORDS] = x;
      break;
    case BPF_ALU:
      if (!compute(BPF_OP(i.code), a, source)) return SECCOMP_RET_ALLOW;
      break;
    case BPF_JMP:
      at += BPF_OP(i.code) == BPF_JA ? i.k : holds(BPF_OP(i.code), a, source) ? i.jt : i.jf;
      break;
    case BPF_RET:
      return BPF_RVAL(i.code) == BPF_A ? a : i.k;
    default: // BPF_MISC
      if (BPF_MISCOP(i.code) == BPF_TAX)
        x = a;
      else
        a = x;
    }
  }
  return SECCOMP_RET_ALLOW;
}

void prepare_for_filter(const sock_fprog* program) noexcept {
  static constinit bool said = false;
  sock_fprog filter;
  if (!get_user(filter, program)) return;
  if (forbids(filter, SYS_io_uring_setup) || forbids(filter, SYS_io_uring_enter) ||
      forbids(filter, SYS_io_uring_register)) {
    the_machine().ring.refuse();
    the_machine().futex_ring.refuse();
    the_machine().transfers.refuse();
  }
  if (forbids(filter, SYS_timerfd_create) || forbids(filter, SYS_timerfd_settime))
    the_machine().clocks.refuse();
  if (said) return;
  const char* first = nullptr;
  unsigned others = 0;
  for (const need& each : needs) {
    if (!forbids(filter, each.number)) continue;
    if (first)
      ++others;
    else
      first = each.name;
  }
  if (!first) return;
  said = true;
  line_printer out;
  out << "weft: the program's seccomp filter forbids " << first;
  if (others) out << " and " << others << (others == 1 ? " other call" : " other calls");
  out << (others ? ", which" : ", a call that") << " weft needs: it may fail or be killed";
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/seccomp_filter.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cstddef>
#include <vector>

namespace weft::patch {
namespace {

std::uint32_t answer(const std::vector<sock_filter>& code, const seccomp_data& call) {
  return evaluate_filter(code.data(), static_cast<unsigned>(code.size()), call);
}

seccomp_data call_of(int number, std::uint64_t argument = 0) {
  seccomp_data call{};
  call.nr = number;
  call.args[1] = argument;
  return call;
}

constexpr std::uint32_t denied = SECCOMP_RET_ERRNO | 1;

TEST(seccomp_filter, chooses_by_number) {
  const std::vector<sock_filter> code{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_futex, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_futex, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, denied),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  EXPECT_EQ(answer(code, call_of(SYS_futex)), denied);
  EXPECT_EQ(answer(code, call_of(SYS_futex - 1)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(code, call_of(SYS_futex + 1)), SECCOMP_RET_ALLOW);
}

TEST(seccomp_filter, looks_at_arguments) {
  const std::vector<sock_filter> code{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x7f),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, denied),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  EXPECT_EQ(answer(code, call_of(SYS_futex, 0x83)), denied);
  EXPECT_EQ(answer(code, call_of(SYS_futex, 0x82)), SECCOMP_RET_ALLOW);
}

TEST(seccomp_filter, has_two_registers_and_memory) {
  const std::vector<sock_filter> code{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_STMT(BPF_ST, 5),
      BPF_STMT(BPF_LD | BPF_IMM, 40),
      BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 5),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 2),
      BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_MEM, 5),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1), // SYS_futex is 202
      BPF_STMT(BPF_RET | BPF_K, denied),
      BPF_STMT(BPF_RET | BPF_A, 0),
  };
  EXPECT_EQ(answer(code, call_of(202)), denied);
  EXPECT_EQ(answer(code, call_of(7)), 7u);
}

TEST(seccomp_filter, allows_what_is_no_filter) {
  EXPECT_EQ(answer({}, call_of(1)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer({BPF_STMT(BPF_LD | BPF_IMM, 1)}, call_of(1)), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4096)}, call_of(1)), SECCOMP_RET_ALLOW);
  const std::vector<sock_filter> by_zero{BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
                                         BPF_STMT(BPF_RET | BPF_K, denied)};
  EXPECT_EQ(answer(by_zero, call_of(1)), SECCOMP_RET_ALLOW);
}

} // namespace
} // namespace weft::patch

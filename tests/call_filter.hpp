// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

/// A seccomp filter that answers some system calls by `answer`, such as SECCOMP_RET_ERRNO | EPERM,
/// and allows all others.
class call_filter {
 public:
  call_filter(std::initializer_list<unsigned> numbers, std::uint32_t answer) {
    add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
    for (auto left = static_cast<unsigned char>(numbers.size()); const unsigned number : numbers)
      add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, left--, 0));
    add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    add(BPF_STMT(BPF_RET | BPF_K, answer));
  }

  [[nodiscard]] sock_fprog program() {
    return {static_cast<unsigned short>(code_.size()), code_.data()};
  }

  /// The calling thread's, for good. 0, or -1 with errno.
  int install() {
    const sock_fprog all = program();
    return forbid_new_privileges() != 0 ? -1 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all);
  }
  /// The same by seccomp(2), which has flags, such as SECCOMP_FILTER_FLAG_TSYNC.
  int install(unsigned flags) {
    const sock_fprog all = program();
    if (forbid_new_privileges() != 0) return -1;
    return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &all));
  }

 private:
  /// Without that only root may have a filter.
  static int forbid_new_privileges() { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

  void add(const sock_filter& instruction) { code_.push_back(instruction); }

  std::vector<sock_filter> code_;
};

// SPDX-License-Identifier: BSL-1.0
// The hot paths of the patch, to be counted: from where a rewritten `syscall` instruction jumps to,
// and back. Valgrind cannot run a patched program: the patch's own kernel threads are clones of a
// kind that it does not know. Here the patch's kernel is part of the program, with green threads on
// one kernel thread.
#include <linux/futex.h>
#include <sys/syscall.h>

#include "bench/baseline/counted.hpp"
#include "patch/calls/table.hpp"
#include "patch/sites/entry.hpp"
#include "stage.hpp"

// A slot, as the patch makes one for each site.
asm(R"(
  .pushsection .text
  .balign 128
bench_slot:
  .quad bench_resume
  .globl bench_system_call
bench_system_call:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  xor %r10d, %r10d
  lea -128(%rsp), %rsp
  call weft_entry
  lea 128(%rsp), %rsp
bench_resume:
  ret
  .popsection
)");
extern "C" long bench_system_call(long number, long a, long b, long c);

namespace weft::patch {
namespace {

using bench::count;

struct paths : stage {
  paths() {
    set_virtual_calls(phase::active);
    m().futexes.answer_at_once(); // as start.cpp has it
  }
  ~paths() override { set_virtual_calls(phase::single); }

  void TestBody() override {
    green& company = bystander(); // without it, calls go to the kernel between the two parts
    bool over = false;
    std::uint32_t go = 0, nobodys = 0;
    start([&](green& g) {
      wait(g, go);
      while (!over)
        call(g, SYS_sched_yield);
    });
    bench::count_nothing();
    count("patch: gettid", [&] { call(me(), SYS_gettid); });
    count("patch: futex wake of nobody", [&] { wake(me(), nobodys); });
    count("patch: getppid, by the kernel", [&] { call(me(), SYS_getppid); });
    wake(me(), go);
    count("patch: sched_yield, there and back", [&] { call(me(), SYS_sched_yield); });
    over = true;
    run();

    over = false;
    std::uint32_t here = 0, there = 0;
    start([&](green& g) {
      while (!over) {
        wait(g, there);
        wake(g, here);
      }
    });
    count("patch: futex wake and wait, there and back", [&] {
      wake(me(), there);
      wait(me(), here);
    });
    over = true;
    wake(me(), there);
    run();
    dismiss(company);
  }

  /// All threads here share one TLS, in which the stub looks for who calls.
  static long call(green& g, long number, long a = 0, long b = 0, long c = 0) {
    weft_self = &g;
    return bench_system_call(number, a, b, c);
  }
  static void wait(green& g, std::uint32_t& word) {
    while (word == 0)
      call(g, SYS_futex, reinterpret_cast<long>(&word), FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0);
    word = 0;
  }
  static void wake(green& g, std::uint32_t& word) {
    word = 1;
    call(g, SYS_futex, reinterpret_cast<long>(&word), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
  }
};

} // namespace
} // namespace weft::patch

int main() {
  weft::patch::paths().TestBody();
}

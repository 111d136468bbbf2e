// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/stand_still.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "patch/kernel/print.hpp"
#include "patch/sites/plan.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "runtime/core/clock.hpp"

extern "C" void weft_signal_return();

namespace weft::patch {
namespace {

/// glibc keeps it for itself (SIGSETXID), and lets no program block it.
constexpr int halt = 33;

constinit std::atomic<int> halted{0};
constinit std::atomic<int> inside{0};
constinit std::atomic<std::uint32_t> released{0}; // a futex
constinit std::atomic<bool> in_the_way{false};

struct kernel_action {
  void (*handler)(int, siginfo_t*, void*) = nullptr;
  std::uint64_t flags = 0;
  void (*restorer)() = nullptr;
  std::uint64_t mask = 0;
};
constinit kernel_action previous;

/// As far before a `syscall` as a jump in its place reaches: three short instructions and a long
/// one (plan.cpp).
constexpr int longest_layout = 4 + 15;

/// Whether a thread that goes on at `at` may come out between instructions that are moved
/// meanwhile. At the `syscall` itself, which stays, it does no harm, nor where the first of them
/// begins.
bool is_in_a_layout(const std::uint8_t* at) noexcept {
  // Copied by the kernel, since the text may end here; with the byte before, where a prefix may be.
  std::uint8_t copy[1 + longest_layout + 2];
  const std::uint8_t* const text = copy + 1;
  const iovec here{copy, sizeof copy};
  const iovec there{const_cast<std::uint8_t*>(at - 1), sizeof copy};
  const long size =
      raw_syscall(SYS_process_vm_readv, raw_syscall(SYS_getpid), &here, 1, &there, 1, 0) - 1;
  const auto is_site = [&](long i) {
    return i + 1 < size && text[i] == 0x0f && text[i + 1] == 0x05;
  };
  // A thread's last call stands in a loop, and is moved as a whole.
  constexpr std::uint8_t short_jump = 0xeb;
  if (is_site(0) && size > 2 && text[2] == short_jump) return true;
  for (long i = 1; i < longest_layout; ++i)
    if (is_site(i) && !is_plain_site(text + i, copy)) return true; // else nothing before the `mov`
  return false;
}

void on_halt(int, siginfo_t*, void* opaque) noexcept {
  const auto& context = *static_cast<ucontext_t*>(opaque);
  inside.fetch_add(1);
  if (is_in_a_layout(reinterpret_cast<std::uint8_t*>(context.uc_mcontext.gregs[REG_RIP])))
    in_the_way = true;
  halted.fetch_add(1);
  while (released.load() == 0)
    raw_syscall(SYS_futex, &released, FUTEX_WAIT_PRIVATE, 0, nullptr);
  inside.fetch_sub(1);
}

void pause_briefly() noexcept {
  const timespec time{0, 100'000};
  raw_syscall(SYS_nanosleep, &time, nullptr);
}

/// Whether a thread of this process is in a system call: then its file has the call's number, else
/// the word "running". Nothing, if it cannot be read, is "no".
bool is_in_call(const char* tid) noexcept {
  char path[64] = "/proc/self/task/";
  std::size_t at = sizeof "/proc/self/task/" - 1;
  for (const char* c = tid; *c && at < 40; ++c)
    path[at++] = *c;
  __builtin_memcpy(path + at, "/syscall", sizeof "/syscall");
  const long file = raw_syscall(SYS_open, path, O_RDONLY | O_CLOEXEC);
  if (is_error(file)) return false;
  char text[16] = {};
  const long size = raw_syscall(SYS_read, file, text, sizeof text - 1);
  raw_syscall(SYS_close, file);
  return size > 0 && text[0] >= '0' && text[0] <= '9';
}

int number_in(const char* digits) noexcept {
  int number = 0;
  for (; *digits >= '0' && *digits <= '9'; ++digits)
    number = number * 10 + (*digits - '0');
  return number;
}

/// Visits the other threads; the visitor says whether to go on.
template <class F>
void for_each_other(F&& visit) noexcept {
  const long folder = raw_syscall(SYS_open, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (is_error(folder)) return;
  const auto own = static_cast<int>(raw_syscall(SYS_gettid));
  alignas(8) char room[4096];
  long size;
  while ((size = raw_syscall(SYS_getdents64, folder, room, sizeof room)) > 0)
    for (long at = 0; at < size;) {
      // struct linux_dirent64: inode, offset, length, type, name
      std::uint16_t length;
      __builtin_memcpy(&length, room + at + 16, sizeof length);
      const char* name = room + at + 19;
      const int tid = number_in(name);
      if (tid != 0 && tid != own) visit(name, tid);
      at += length;
    }
  raw_syscall(SYS_close, folder);
}

void release() noexcept {
  released = 1;
  raw_syscall(SYS_futex, &released, FUTEX_WAKE_PRIVATE, 1 << 30);
  while (inside.load() != 0)
    pause_briefly();
}

} // namespace

stand_still::stand_still() noexcept {
  for_each_other([&](const char*, int) { others_ = true; });
  if (!others_) {
    all_ = true;
    return;
  }
  const kernel_action action{on_halt, SA_SIGINFO | SA_RESTART | 0x04000000 /* SA_RESTORER */,
                             weft_signal_return, ~std::uint64_t{0}};
  raw_syscall(SYS_rt_sigaction, halt, &action, &previous, 8);
  // One that has no processor just now may be in the way for long.
  constexpr core::nanoseconds patience = 5'000'000'000;
  for (const core::nanoseconds begun = core::monotonic_now();
       !all_ && core::monotonic_now() - begun < patience;) {
    all_ = try_once();
    if (all_) return;
    release();
    pause_briefly();
  }
}

bool stand_still::try_once() noexcept {
  released = 0;
  halted = 0;
  in_the_way = false;
  const long process = raw_syscall(SYS_getpid);
  int sent = 0;
  for_each_other([&](const char* name, int tid) {
    if (is_in_call(name)) return;
    if (!is_error(raw_syscall(SYS_tgkill, process, tid, halt))) ++sent;
  });
  constexpr int patience = 500; // 50 ms
  for (int i = 0; i < patience && halted.load() < sent; ++i)
    pause_briefly();
  return halted.load() >= sent && !in_the_way;
}

stand_still::~stand_still() {
  if (!others_) return;
  release();
  raw_syscall(SYS_rt_sigaction, halt, &previous, nullptr, 8);
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/stack_overflow.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include "runtime/sched/generator.hpp"
#include "runtime/sched/hub.hpp"

namespace weft::detail {
namespace {

constexpr std::uintptr_t guard_bytes = 4096;
constexpr std::size_t alternate_bytes = std::size_t{64} << 10; // AT_MINSIGSTKSZ is up to 12 KiB
constinit thread_local char* alternate_stack = nullptr;

struct sigaction previous_segv;
struct sigaction previous_bus;

/// Text put together without allocating: this runs inside a signal handler.
class message {
 public:
  message& operator<<(const char* text) noexcept {
    while (*text && length_ < sizeof text_)
      text_[length_++] = *text++;
    return *this;
  }
  message& operator<<(std::uint64_t number) noexcept {
    char digits[21];
    char* at = digits + sizeof digits;
    *--at = 0;
    do
      *--at = static_cast<char>('0' + number % 10);
    while (number /= 10);
    return *this << at;
  }
  void write() noexcept {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text_, length_);
  }

 private:
  char text_[256];
  std::size_t length_ = 0;
};

/// The stack in use, if it is a fiber's or generator's and `fault` lies below it.
const carrier* stack_that_overflowed(const void* fault) noexcept {
  const carrier* c = current_stack();
  if (!c) return nullptr;
  const auto low = reinterpret_cast<std::uintptr_t>(c->memory.top) - c->memory.size;
  const auto at = reinterpret_cast<std::uintptr_t>(fault);
  return at >= low - guard_bytes && at < low ? c : nullptr;
}

void report_overflow(const carrier& c) noexcept {
  message m;
  m << "weft: stack overflow in ";
  if (!c.home) m << "a generator of ";
  const state* fiber = this_hub ? this_hub->running() : nullptr;
  if (!fiber || fiber->has(thread_fiber))
    m << "the thread itself";
  else if (fiber->extras && !fiber->extras->name.empty())
    m << "fiber " << fiber->extras->name.c_str();
  else
    m << "fiber fiber-" << fiber->id;
  m << ", stack size " << stack_size_of(c) << "\n";
  m.write();
}

void pass_on(int signal, siginfo_t* info, void* context) noexcept {
  const struct sigaction& previous = signal == SIGSEGV ? previous_segv : previous_bus;
  if ((previous.sa_flags & SA_SIGINFO) && previous.sa_sigaction) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    ::signal(signal, SIG_DFL);
    // One that somebody sent does not come again by itself when the handler returns.
    if (info->si_code <= 0) ::raise(signal);
  }
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool sent = info->si_code <= 0;
  if (const carrier* c = sent ? nullptr : stack_that_overflowed(info->si_addr)) {
    report_overflow(*c);
    ::signal(signal, SIG_DFL); // the instruction faults again when the handler returns
  } else {
    pass_on(signal, info, context);
  }
  errno = error;
}

} // namespace

void watch_for_stack_overflow() {
  stack_t now;
  if (::sigaltstack(nullptr, &now) == 0 && (now.ss_flags & SS_DISABLE)) {
    alternate_stack = static_cast<char*>(std::malloc(alternate_bytes));
    if (alternate_stack) {
      stack_t alternate{};
      alternate.ss_sp = alternate_stack;
      alternate.ss_size = alternate_bytes;
      ::sigaltstack(&alternate, nullptr);
    }
  }
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = &on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    ::sigaction(SIGSEGV, &action, &previous_segv);
    ::sigaction(SIGBUS, &action, &previous_bus);
  });
}

void ignore_stack_overflow() noexcept {
  if (!alternate_stack) return;
  stack_t now;
  if (::sigaltstack(nullptr, &now) == 0 && now.ss_sp == alternate_stack) {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
  }
  std::free(std::exchange(alternate_stack, nullptr));
}

} // namespace weft::detail

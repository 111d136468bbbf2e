// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "patch/calls/table.hpp"
#include "tests/patch/kernel/stage.hpp"

namespace weft::patch {

/// Makes system calls as a thread of the program's does, from the dispatcher on.
class calling : public stage {
 protected:
  calling() {
    set_virtual_calls(phase::active);
    seen().clear();
  }
  ~calling() override {
    me().pending.clear();
    set_virtual_calls(phase::single);
  }

  /// What the call returns to g, the caller; `native` if it is the kernel's to make.
  template <class... Arguments>
  long call(green& g, long number, Arguments... arguments) {
    syscall_frame frame{};
    frame.rax = static_cast<std::uint64_t>(number);
    [[maybe_unused]] std::uint64_t* const places[] = {&frame.rdi, &frame.rsi, &frame.rdx,
                                                      &frame.r10, &frame.r8,  &frame.r9};
    [[maybe_unused]] int next = 0;
    ((*places[next++] = as_argument(arguments)), ...);
    frame.user_rsp = reinterpret_cast<std::uint64_t>(&frame);
    // All threads here share the test's TLS, which the stub would have found changed.
    weft_self = &g;
    const dispatch_result result = weft_dispatch(&frame);
    EXPECT_NE(result, dispatch_result::spawn);
    return result == dispatch_result::native ? native : static_cast<long>(frame.rax);
  }
  static constexpr long native = pass_to_kernel;

  /// Numbers of the signals that were handled, in order.
  static std::vector<int>& seen() {
    static std::vector<int> numbers;
    return numbers;
  }
  void handle(int signal, std::uint64_t flags = 0) {
    m().signals.actions[signal] = {reinterpret_cast<void*>(note), flags, nullptr, 0};
  }
  static siginfo_t directed(int signal) {
    siginfo_t info{};
    info.si_signo = signal;
    info.si_code = SI_TKILL;
    return info;
  }

 private:
  static void note(int signal, siginfo_t*, void*) { seen().push_back(signal); }
  template <class T>
  static std::uint64_t as_argument(T value) {
    if constexpr (std::is_null_pointer_v<T>)
      return 0;
    else if constexpr (std::is_pointer_v<T>)
      return reinterpret_cast<std::uint64_t>(value);
    else
      return static_cast<std::uint64_t>(value);
  }
};

using numbers = std::vector<int>;

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <signal.h>

#include <string_view>

namespace weft::patch {

/// The signal that `text` names, "USR2", "SIGUSR2" or "12", if weft can take it for a use of its
/// own: it can be caught, glibc has no use for it, and no instruction raises it. Else 0.
[[nodiscard]] constexpr int usable_signal(std::string_view text) noexcept {
  struct named {
    std::string_view name;
    int number;
  };
  constexpr named names[] = {
      {"HUP", SIGHUP},   {"INT", SIGINT},     {"QUIT", SIGQUIT},     {"USR1", SIGUSR1},
      {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},   {"ALRM", SIGALRM},     {"TERM", SIGTERM},
      {"CHLD", SIGCHLD}, {"CONT", SIGCONT},   {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN},
      {"TTOU", SIGTTOU}, {"XCPU", SIGXCPU},   {"XFSZ", SIGXFSZ},     {"VTALRM", SIGVTALRM},
      {"PROF", SIGPROF}, {"WINCH", SIGWINCH}, {"STKFLT", SIGSTKFLT}, {"IO", SIGIO},
      {"PWR", SIGPWR},
  };
  constexpr int first_real_time = 34; // glibc keeps the kernel's first two to itself
  constexpr int last_real_time = 64;

  if (text.starts_with("SIG")) text.remove_prefix(3);
  for (const named& each : names)
    if (text == each.name) return each.number;
  int number = 0;
  if (text.empty() || text.size() > 2) return 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return 0;
    number = number * 10 + (digit - '0');
  }
  if (number >= first_real_time && number <= last_real_time) return number;
  for (const named& each : names)
    if (number == each.number) return number;
  return 0;
}

} // namespace weft::patch

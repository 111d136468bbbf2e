// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/statistics.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/print.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constinit int standard_error = 2;
constinit int file = -1;

int report() noexcept {
  return file >= 0 ? file : standard_error;
}

} // namespace

const char* name_of(park_reason reason) noexcept {
  static const char* const names[] = {"sleep", "futex", "io", "poll", "signal"};
  static_assert(sizeof names / sizeof *names == static_cast<int>(park_reason::count));
  return names[static_cast<int>(reason)];
}

int keep_report_open() noexcept {
  if (standard_error == 2) {
    const long copy = raw_syscall(SYS_fcntl, 2, F_DUPFD_CLOEXEC, 0);
    if (!is_error(copy)) standard_error = move_out_of_sight(copy);
  }
  return standard_error;
}

bool open_statistics_file(const char* path) noexcept {
  // Each process of a program adds its own line.
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, path,
                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
  if (is_error(fd)) return false;
  file = move_out_of_sight(fd);
  return true;
}

void print(const statistics& s) noexcept {
  line_printer{report()} << "weft: threads made " << s.threads_made << ", green threads peak "
                         << s.threads_peak << ", switches " << s.switches;
  line_printer out{report()};
  out << "weft: parks";
  for (int i = 0; i < static_cast<int>(park_reason::count); ++i)
    out << (i ? ", " : " ") << name_of(static_cast<park_reason>(i)) << " " << s.parks[i];
  out << "; hand-overs " << s.hand_overs << ", preemptions " << s.preemptions << ", steals "
      << s.steals << ", helps " << s.helps;
}

void print_json(const statistics& s, int process) noexcept {
  line_printer out{report()};
  out << "{\"process\": " << process << ", \"threads_made\": " << s.threads_made
      << ", \"threads_peak\": " << s.threads_peak << ", \"switches\": " << s.switches
      << ", \"parks\": {";
  for (int i = 0; i < static_cast<int>(park_reason::count); ++i)
    out << (i ? ", \"" : "\"") << name_of(static_cast<park_reason>(i)) << "\": " << s.parks[i];
  out << "}, \"hand_overs\": " << s.hand_overs << ", \"preemptions\": " << s.preemptions
      << ", \"steals\": " << s.steals << ", \"helps\": " << s.helps << "}";
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/statistics.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/print.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constinit int report = 2;

} // namespace

void keep_report_open() noexcept {
  const long copy = raw_syscall(SYS_fcntl, 2, F_DUPFD_CLOEXEC, 0);
  if (!is_error(copy)) report = move_out_of_sight(copy);
}

void print(const statistics& s) noexcept {
  static const char* const names[] = {"sleep", "futex", "io", "poll", "child", "signal"};
  static_assert(sizeof names / sizeof *names == static_cast<int>(park_reason::count));
  line_printer{report} << "weft: threads made " << s.threads_made << ", green threads peak "
                       << s.threads_peak << ", switches " << s.switches;
  line_printer out{report};
  out << "weft: parks";
  for (int i = 0; i < static_cast<int>(park_reason::count); ++i)
    out << (i ? ", " : " ") << names[i] << " " << s.parks[i];
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/statistics.hpp"

#include "patch/kernel/print.hpp"

namespace weft::patch {

void print(const statistics& s) noexcept {
  static const char* const names[] = {"sleep", "futex", "io", "poll", "child", "signal"};
  static_assert(sizeof names / sizeof *names == static_cast<int>(park_reason::count));
  line_printer{} << "weft: threads made " << s.threads_made << ", green threads peak "
                 << s.threads_peak << ", switches " << s.switches;
  line_printer out;
  out << "weft: parks";
  for (int i = 0; i < static_cast<int>(park_reason::count); ++i)
    out << (i ? ", " : " ") << names[i] << " " << s.parks[i];
}

}  // namespace weft::patch

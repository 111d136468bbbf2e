// SPDX-License-Identifier: BSL-1.0
#include "patch/observe/slow_call.hpp"

#include "patch/observe/stack_report.hpp"

namespace weft::patch {

void report_slow_call(const green& g, const syscall_frame& call, core::nanoseconds took) noexcept {
  constexpr int standard_error = 2;
  constexpr int most_frames = 16;
  {
    line_printer out{standard_error};
    out << "weft: ";
    name_thread(out, g);
    out << " held its worker for " << took / 1'000'000 << " ms in ";
    name_call(out, call);
  }
  if (g.call) report_stack(standard_error, registers_of(*g.call), most_frames);
}

} // namespace weft::patch

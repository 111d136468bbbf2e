// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/sched/error_report.hpp"
#include "weft/error.hpp"

namespace weft::detail {

/// Calls the program's `f`; what it throws goes to the error handler.
template <class F>
void run_callback(const char* what, F&& f) noexcept {
  try {
    f();
  } catch (const cancelled&) { // never reported
  } catch (...) {
    report_error(what, std::current_exception());
  }
}

} // namespace weft::detail

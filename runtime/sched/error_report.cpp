// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/error_report.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <typeinfo>

#include "runtime/sched/hub.hpp"
#include "weft/error.hpp"

namespace weft {
namespace detail {
namespace {

// By value is what error_handler says.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
void write_to_stderr(const char* where, std::exception_ptr error) noexcept {
  std::string line;
  try {
    line = std::string("weft: unhandled exception in ") + where + ": " + describe(error) + "\n";
  } catch (...) {
    line = "weft: unhandled exception\n";
  }
  // One write, so that lines of several threads do not mix; nothing can be done if it fails.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

std::atomic<error_handler> current_handler{&write_to_stderr};

std::string demangled(const char* symbol) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(symbol, nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : symbol;
}

} // namespace

void report_error(const char* where, std::exception_ptr error) noexcept {
  current_handler.load(std::memory_order_acquire)(where, std::move(error));
}

std::string describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return demangled(typeid(e).name()) + ": " + e.what();
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return type ? demangled(type->name()) : std::string("unknown type");
  }
}

std::string name_of(const state& s) {
  if (s.extras && !s.extras->name.empty()) return s.extras->name;
  if (s.has(thread_fiber)) return "main";
  return "fiber-" + std::to_string(s.id);
}

std::string describe(const state& s) noexcept {
  try {
    return s.type && s.type->run ? "fiber " + name_of(s) : std::string("future");
  } catch (...) {
    return {};
  }
}

} // namespace detail

exception_group::exception_group(std::vector<std::exception_ptr> errors)
    : errors_(std::move(errors)),
      what_("weft: " + std::to_string(errors_.size()) + " tasks of a group failed") {
  const char* before = ": ";
  for (const auto& error : errors_)
    what_ += std::exchange(before, "; ") + detail::describe(error);
}

error_handler set_error_handler(error_handler handler) noexcept {
  return detail::current_handler.exchange(handler ? handler : &detail::write_to_stderr,
                                          std::memory_order_acq_rel);
}

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace weft::launcher {

/// A command line or a variable that cannot be understood; what() is the sentence to print.
class usage_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class action { run, check, help, version };

/// What the command line and the WEFT_* variables ask for.
struct options {
  action what = action::run;
  bool verbose = false;
  bool if_possible = false;
  bool no_preempt = false;
  bool no_children = false;
  std::uint64_t stack_size = 0;     // bytes; 0 leaves it to the program and its limits
  std::string workers;              // their number; "0" leaves it to the machine
  std::string stats;                // "0", "1", "json" or "json:" and an absolute path
  std::string dump_signal;          // its name or number
  std::string warn_blocking;        // milliseconds
  std::vector<std::string> program; // its name and arguments
};

/// Reads "65536", "64K", "8M", "1G"; nothing when it is no size or does not fit.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// Finds a variable's value; null when it is not set.
using get_variable = const char* (*)(const char* name);

/// Options end at "--" or at the first argument that is none. What the command line does not say,
/// the WEFT_* variables do. Throws usage_error.
options parse_options(const std::vector<std::string>& arguments, get_variable variable);

/// The variables by which the options reach the patch and the children, as NAME and value.
std::vector<std::pair<std::string, std::string>> to_variables(const options& chosen);

extern const std::string_view help_text;

} // namespace weft::launcher

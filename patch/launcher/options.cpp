// SPDX-License-Identifier: BSL-1.0
#include "patch/launcher/options.hpp"

#include <charconv>
#include <limits>

namespace weft::launcher {
namespace {

// PTHREAD_STACK_MIN: below it pthread_attr_setstacksize refuses as well.
constexpr std::uint64_t least_stack = 16384;

struct flag {
  std::string_view option;
  const char* variable;
  bool options::*chosen;
};

constexpr flag flags[] = {
    {"--verbose", "WEFT_VERBOSE", &options::verbose},
    {"--stats", "WEFT_STATS", &options::stats},
    {"--if-possible", "WEFT_IF_POSSIBLE", &options::if_possible},
    {"--no-children", "WEFT_NO_CHILDREN", &options::no_children},
};
constexpr const char* stack_size_variable = "WEFT_STACK_SIZE";

std::uint64_t stack_size(std::string_view source, std::string_view text) {
  const auto size = parse_size(text);
  if (!size)
    throw usage_error(std::string(source) + ": not a size: '" + std::string(text) +
                      "' (write bytes, or a number with K, M or G)");
  if (*size < least_stack) throw usage_error(std::string(source) + ": a stack has at least 16K");
  return *size;
}

bool is_on(const flag& each, std::string_view value) {
  if (value == "1") return true;
  if (value.empty() || value == "0") return false;
  throw usage_error(std::string(each.variable) + ": neither 0 nor 1: '" + std::string(value) + "'");
}

void read_variables(options& chosen, get_variable variable) {
  for (const auto& each : flags)
    if (const char* value = variable(each.variable)) chosen.*each.chosen = is_on(each, value);
  if (const char* value = variable(stack_size_variable); value != nullptr && *value != '\0')
    chosen.stack_size = stack_size(stack_size_variable, value);
}

} // namespace

const std::string_view help_text =
    R"(Usage: weft [options] program [argument...]

Runs an unmodified threaded program with its threads as green threads.

  --verbose          say what is patched, and what is not
  --stats            print switches, parks and the most green threads at exit
  --stack-size N     stack of threads that ask for none: bytes, or with K, M, G
  --check            only tell whether the program can be patched
  --if-possible      run a program that cannot be patched as it is
  --no-children      do not patch the programs that it starts
  --help, --version
  --                 end of weft's options

The same by variables: WEFT_VERBOSE=1, WEFT_STATS=1, WEFT_STACK_SIZE=N, WEFT_IF_POSSIBLE=1, WEFT_NO_CHILDREN=1.

Exit status: the program's; 127 when it is missing, 126 when it cannot be
executed, 125 when weft refuses it or does not understand its own options.
)";

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc()) return std::nullopt;
  unsigned shift = 0;
  if (end != last) {
    if (end + 1 != last) return std::nullopt;
    switch (*end) {
    case 'k':
    case 'K':
      shift = 10;
      break;
    case 'm':
    case 'M':
      shift = 20;
      break;
    case 'g':
    case 'G':
      shift = 30;
      break;
    default:
      return std::nullopt;
    }
  }
  if (number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
  return number << shift;
}

options parse_options(const std::vector<std::string>& arguments, get_variable variable) {
  options chosen;
  read_variables(chosen, variable);
  constexpr std::string_view stack_option = "--stack-size";
  std::size_t at = 0;
  for (; at < arguments.size(); ++at) {
    const std::string_view argument = arguments[at];
    if (argument == "--") {
      ++at;
      break;
    }
    if (!argument.starts_with('-')) break;
    if (argument == "--help" || argument == "-h") {
      chosen.what = action::help;
      return chosen;
    }
    if (argument == "--version") {
      chosen.what = action::version;
      return chosen;
    }
    if (argument == "--check") {
      chosen.what = action::check;
    } else if (argument == stack_option) {
      if (++at == arguments.size()) throw usage_error("--stack-size: needs a size");
      chosen.stack_size = stack_size(stack_option, arguments[at]);
    } else if (argument.starts_with("--stack-size=")) {
      chosen.stack_size = stack_size(stack_option, argument.substr(stack_option.size() + 1));
    } else {
      bool is_known = false;
      for (const auto& each : flags)
        if (argument == each.option) is_known = chosen.*each.chosen = true;
      if (!is_known) throw usage_error("no such option: " + std::string(argument));
    }
  }
  chosen.program.assign(arguments.begin() + static_cast<std::ptrdiff_t>(at), arguments.end());
  if (chosen.program.empty()) throw usage_error("no program given");
  return chosen;
}

std::vector<std::pair<std::string, std::string>> to_variables(const options& chosen) {
  std::vector<std::pair<std::string, std::string>> variables;
  for (const auto& each : flags)
    if (chosen.*each.chosen) variables.emplace_back(each.variable, "1");
  if (chosen.stack_size != 0)
    variables.emplace_back(stack_size_variable, std::to_string(chosen.stack_size));
  return variables;
}

} // namespace weft::launcher

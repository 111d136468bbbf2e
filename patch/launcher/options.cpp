// SPDX-License-Identifier: BSL-1.0
#include "patch/launcher/options.hpp"

#include "patch/kernel/signal_number.hpp"

#include <charconv>
#include <filesystem>
#include <limits>

namespace weft::launcher {
namespace {

// PTHREAD_STACK_MIN: below it pthread_attr_setstacksize refuses as well.
constexpr std::uint64_t least_stack = 16384;

// What the patch has room for, "json:" included.
constexpr std::size_t longest_path = 4096;

struct flag {
  std::string_view option;
  const char* variable;
  bool options::*chosen;
};

constexpr flag flags[] = {
    {"--verbose", "WEFT_VERBOSE", &options::verbose},
    {"--if-possible", "WEFT_IF_POSSIBLE", &options::if_possible},
    {"--no-children", "WEFT_NO_CHILDREN", &options::no_children},
    {"--no-preempt", "WEFT_NO_PREEMPT", &options::no_preempt},
};

/// An option with a value; `source`, its name or its variable's, is for complaints.
struct setting {
  std::string_view option;
  const char* variable;
  const char* usual; // the value when none is given; null: one is needed
  void (*read)(options& chosen, std::string_view source, std::string_view text);
  std::string (*write)(const options& chosen); // empty: not chosen
};

std::string quoted(std::string_view source, std::string_view complaint, std::string_view text) {
  return std::string(source) + ": " + std::string(complaint) + ": '" + std::string(text) + "'";
}

void read_stack_size(options& chosen, std::string_view source, std::string_view text) {
  const auto size = parse_size(text);
  if (!size)
    throw usage_error(quoted(source, "not a size", text) +
                      " (write bytes, or a number with K, M or G)");
  if (*size < least_stack) throw usage_error(std::string(source) + ": a stack has at least 16K");
  chosen.stack_size = *size;
}

std::string write_stack_size(const options& chosen) {
  return chosen.stack_size != 0 ? std::to_string(chosen.stack_size) : std::string();
}

void read_stats(options& chosen, std::string_view source, std::string_view text) {
  constexpr std::string_view to_file = "json:";
  if (text == "0" || text == "1" || text == "json")
    chosen.stats = text;
  else if (text.starts_with(to_file) && text.size() > to_file.size())
    // Absolute, for the program and its children may go elsewhere.
    chosen.stats = "json:" + std::filesystem::absolute(text.substr(to_file.size())).string();
  else
    throw usage_error(quoted(source, "neither 0, 1, json nor json:FILE", text));
  if (chosen.stats.size() > longest_path)
    throw usage_error(std::string(source) + ": the file's path is too long");
}

std::string write_stats(const options& chosen) {
  return chosen.stats;
}

void read_dump_signal(options& chosen, std::string_view source, std::string_view text) {
  if (patch::usable_signal(text) == 0)
    throw usage_error(quoted(source, "not a signal that can be spared", text) + " (such as USR2)");
  chosen.dump_signal = text;
}

std::string write_dump_signal(const options& chosen) {
  return chosen.dump_signal;
}

void read_warn_blocking(options& chosen, std::string_view source, std::string_view text) {
  constexpr unsigned most = 3'600'000; // an hour
  unsigned value = 0;
  const auto* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last || value > most)
    throw usage_error(quoted(source, "not a number of milliseconds up to an hour", text));
  chosen.warn_blocking = text;
}

std::string write_warn_blocking(const options& chosen) {
  return chosen.warn_blocking;
}

void read_workers(options& chosen, std::string_view source, std::string_view text) {
  constexpr unsigned most = 256;
  unsigned value = 0;
  const auto* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc() || end != last || value > most)
    throw usage_error(quoted(source, "not a number of workers up to 256", text));
  chosen.workers = text;
}

std::string write_workers(const options& chosen) {
  return chosen.workers;
}

constexpr setting settings[] = {
    {"--workers", "WEFT_WORKERS", nullptr, read_workers, write_workers},
    {"--stats", "WEFT_STATS", "1", read_stats, write_stats},
    {"--stack-size", "WEFT_STACK_SIZE", nullptr, read_stack_size, write_stack_size},
    {"--dump-signal", "WEFT_DUMP_SIGNAL", nullptr, read_dump_signal, write_dump_signal},
    {"--warn-blocking", "WEFT_WARN_BLOCKING", "10", read_warn_blocking, write_warn_blocking},
};

/// Reads arguments[at] if it is an option with a value, and moves `at` to what it used last.
bool read_setting(options& chosen, const std::vector<std::string>& arguments, std::size_t& at) {
  const std::string_view argument = arguments[at];
  const std::string_view name = argument.substr(0, argument.find('='));
  for (const auto& each : settings) {
    if (name != each.option) continue;
    if (name != argument) {
      each.read(chosen, each.option, argument.substr(name.size() + 1));
    } else if (each.usual != nullptr) {
      each.read(chosen, each.option, each.usual);
    } else {
      if (++at == arguments.size()) throw usage_error(std::string(each.option) + ": needs a value");
      each.read(chosen, each.option, arguments[at]);
    }
    return true;
  }
  return false;
}

bool is_on(const flag& each, std::string_view value) {
  if (value == "1") return true;
  if (value.empty() || value == "0") return false;
  throw usage_error(std::string(each.variable) + ": neither 0 nor 1: '" + std::string(value) + "'");
}

void read_variables(options& chosen, get_variable variable) {
  for (const auto& each : flags)
    if (const char* value = variable(each.variable)) chosen.*each.chosen = is_on(each, value);
  for (const auto& each : settings)
    if (const char* value = variable(each.variable); value != nullptr && *value != '\0')
      each.read(chosen, each.variable, value);
}

} // namespace

const std::string_view help_text =
    R"(Usage: weft [options] program [argument...]

Runs an unmodified threaded program with its threads as green threads.

  --verbose          say what is patched, and what is not
  --workers N        kernel threads that run the program's threads at a time:
                     0, if not given, for as many as the processors that the
                     program may use; 1 for one thread after the other
  --stats            print at exit what the threads did: switches, parks,
                     migrations and more, of each processor too if there are
                     several, and times of weft's lock; README.md tells each
  --stats=json[:F]   the same as a line of JSON, added to the file F
  --stack-size N     stack of threads that ask for none: bytes, or with K, M, G
  --dump-signal S    print all threads and their stacks at each signal S, such
                     as USR2, which the program then never sees
  --warn-blocking[=MS]  name each call that held a worker for more than MS
                     milliseconds (10), with its stack
  --check            only tell whether the program can be patched
  --if-possible      run a program that cannot be patched as it is
  --no-children      do not patch the programs that it starts
  --no-preempt       never interrupt a thread that computes while others wait
  --help, --version
  --                 end of weft's options

The same by variables: WEFT_VERBOSE=1, WEFT_WORKERS=N, WEFT_STATS=1,
WEFT_STACK_SIZE=N, WEFT_DUMP_SIGNAL=S, WEFT_WARN_BLOCKING=MS,
WEFT_IF_POSSIBLE=1, WEFT_NO_CHILDREN=1, WEFT_NO_PREEMPT=1. And by variable only:
WEFT_BACKEND=io_uring makes transfers of many TCP connections by one system
call, where the kernel allows it (epoll, the default: each by its own).

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
    } else if (!read_setting(chosen, arguments, at)) {
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
  for (const auto& each : settings)
    if (auto value = each.write(chosen); !value.empty())
      variables.emplace_back(each.variable, std::move(value));
  return variables;
}

} // namespace weft::launcher

// SPDX-License-Identifier: BSL-1.0
#include "bench/echo/options.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace echo {
namespace {

[[noreturn]] void usage() {
  std::fputs("usage: load_client --port PORT [--idle N] [--active N] [--seconds S]\n"
             "                   [--requests N] [--size BYTES] [--in-flight N] [--server-pid PID] "
             "[--progress]\n",
             stderr);
  std::exit(2);
}

double number(const char* text, double low, double high) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= low && value <= high)) {
    std::fprintf(stderr, "load_client: %s is not a number from %g to %g\n", text, low, high);
    usage();
  }
  return value;
}

} // namespace

options parse_options(int argc, char** argv) {
  options chosen;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--progress") {
      chosen.progress = true;
      continue;
    }
    if (i + 1 == argc) usage();
    const char* value = argv[++i];
    const auto count = [&](double low) {
      return static_cast<std::size_t>(number(value, low, 1e6));
    };
    if (name == "--port") {
      chosen.port = static_cast<unsigned>(number(value, 1, 65535));
    } else if (name == "--idle") {
      chosen.idle = count(0);
    } else if (name == "--active") {
      chosen.active = count(0);
    } else if (name == "--seconds") {
      chosen.seconds = number(value, 0, 3600);
    } else if (name == "--requests") {
      chosen.requests = static_cast<std::size_t>(number(value, 0, 1e9));
    } else if (name == "--size") {
      chosen.size = static_cast<std::size_t>(number(value, 1, 4096));
    } else if (name == "--in-flight") {
      chosen.in_flight = count(1);
    } else if (name == "--server-pid") {
      chosen.server = static_cast<pid_t>(number(value, 1, 1 << 22));
    } else {
      usage();
    }
  }
  if (chosen.port == 0 || chosen.idle + chosen.active == 0) usage();
  return chosen;
}

} // namespace echo

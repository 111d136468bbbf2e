// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <map>

namespace conformance {
namespace {

std::map<std::string, void (*)()>& all_checks() {
  static std::map<std::string, void (*)()> checks;
  return checks;
}

std::atomic<int> failure_count{0};

bool run(const std::string& name, void (*body)()) {
  const int before = failure_count.load();
  body();
  const bool good = failure_count.load() == before;
  std::printf("%s %s\n", good ? "ok" : "not ok", name.c_str());
  std::fflush(stdout);
  return good;
}

long long milliseconds(clock::duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}

} // namespace

checks::checks(std::initializer_list<entry> entries) {
  for (const auto& [name, body] : entries)
    all_checks().emplace(name, body);
}

int failures() {
  return failure_count.load();
}

void fail(const std::string& what, std::source_location where) {
  failure_count.fetch_add(1);
  const char* file = std::strrchr(where.file_name(), '/');
  std::printf("# %s:%u: %s\n", file != nullptr ? file + 1 : where.file_name(), where.line(),
              what.c_str());
  std::fflush(stdout);
}

void stopwatch::expect_between(clock::duration low, clock::duration high, std::string_view what,
                               std::source_location where) const {
  const auto took = elapsed();
  if (took >= low && took < high) return;
  fail(std::string(what) + ": took " + std::to_string(milliseconds(took)) + " ms, not " +
           std::to_string(milliseconds(low)) + " to " + std::to_string(milliseconds(high)),
       where);
}

} // namespace conformance

int main(int argc, char** argv) {
  using conformance::all_checks;
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const auto& [name, body] : all_checks())
      std::printf("%s\n", name.c_str());
    return 0;
  }
  if (argc == 2) {
    const auto found = all_checks().find(argv[1]);
    if (found == all_checks().end()) {
      std::fprintf(stderr, "no check is named %s\n", argv[1]);
      return 2;
    }
    return conformance::run(found->first, found->second) ? 0 : 1;
  }
  bool good = true;
  for (const auto& [name, body] : all_checks())
    good = conformance::run(name, body) && good;
  return good ? 0 : 1;
}

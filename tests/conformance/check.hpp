// SPDX-License-Identifier: BSL-1.0
#pragma once

// The frame of the conformance programs: named checks that print `ok NAME`, so that the outputs of
// two runs, natively and under weft, can be compared and a difference names the culprit. Nothing
// printed depends on time or order beyond what POSIX guarantees.

#include <cerrno>
#include <chrono>
#include <initializer_list>
#include <source_location>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>

namespace conformance {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

// Checks register themselves by a global of this type. `PROGRAM NAME` runs one, `PROGRAM` all in
// the order of their names, `PROGRAM --list` tells the names.
struct checks {
  struct entry {
    const char* name;
    void (*body)();
  };
  checks(std::initializer_list<entry> entries);
};

// Prints a line and makes the running check, and the program's exit status, a failure.
void fail(const std::string& what, std::source_location where = std::source_location::current());

// How often `fail` was called in this process, and those that it was forked from.
int failures();

inline void expect(bool condition, std::string_view what,
                   std::source_location where = std::source_location::current()) {
  if (!condition) fail(std::string(what), where);
}

template <class Actual, class Expected>
void expect_equal(const Actual& actual, const Expected& expected, std::string_view what,
                  std::source_location where = std::source_location::current()) {
  if (actual == static_cast<Actual>(expected)) return;
  std::ostringstream text;
  text << what << ": " << actual << " instead of " << expected;
  fail(text.str(), where);
}

// For calls that return -1 and set errno: checks both.
template <class Result>
void expect_errno(Result result, int error, std::string_view what,
                  std::source_location where = std::source_location::current()) {
  const int found = errno;
  expect_equal(result, -1, what, where);
  if (result == static_cast<Result>(-1)) expect_equal(found, error, what, where);
}

class stopwatch {
 public:
  [[nodiscard]] clock::duration elapsed() const { return clock::now() - began_; }

  // At least `low`, and below `high`: bounds are generous, for the machine may be loaded.
  void expect_between(clock::duration low, clock::duration high, std::string_view what,
                      std::source_location where = std::source_location::current()) const;

 private:
  clock::time_point began_ = clock::now();
};

// Waits until the condition holds; a failure after ten seconds.
template <class Condition>
void wait_until(Condition condition, std::string_view what,
                std::source_location where = std::source_location::current()) {
  const stopwatch watch;
  while (!condition()) {
    if (watch.elapsed() > 10s) return fail("never: " + std::string(what), where);
    std::this_thread::sleep_for(1ms);
  }
}

// Long enough for another thread to reach the call in which it is to block. What follows must be
// right even if it has not: it only makes the interesting order likely.
inline void let_others_block() {
  std::this_thread::sleep_for(40ms);
}

} // namespace conformance

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <thread>

#include "runtime/process/child.hpp"
#include "weft/weft.hpp"

namespace weft::test {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// Lets others run until `condition()`, within reason.
template <class F>
bool comes_true(F condition) {
  for (const auto give_up = clock::now() + 20s; clock::now() < give_up; sleep(200us))
    if (condition()) return true;
  return condition();
}

/// Whether this process has a child at all, zombies included.
inline bool has_children() {
  siginfo_t info;
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/// A descriptor number that is free, to see that none is lost.
inline int lowest_free() {
  const int fd = ::dup(0);
  ::close(fd);
  return fd;
}

/// Each test with pidfd_open and without.
class with_and_without_pidfd : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override { detail::use_pidfd = GetParam(); }
  void TearDown() override {
    detail::use_pidfd = true;
    EXPECT_TRUE(comes_true([] { return !has_children(); })) << "a zombie or an orphan is left";
  }
};

/// No test leaves a child.
class process_test : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_TRUE(comes_true([] { return !has_children(); })) << "a zombie or an orphan is left";
  }
};

} // namespace weft::test

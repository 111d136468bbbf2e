// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "patch/sites/sites.hpp"
#include "tests/patch/sites/test_dispatcher.hpp"

/// The tests of this program use a libc that was rewritten before main did anything else, in two
/// ways: with no state, so that every call passes the stub's fast path, and with every call going
/// to a dispatcher that lets the kernel do it.
namespace weft::patch::testing {

struct patching {
  site_report report;
  patch_status status{};
  std::chrono::nanoseconds time{};
};
extern patching done_at_start;

enum class mode { fast, dispatched };

inline dispatch_result spawn_or_native(syscall_frame* frame) {
  switch (frame->rax) {
  case SYS_fork:
  case SYS_vfork:
  case SYS_clone:
  case SYS_clone3:
    return dispatch_result::spawn;
  default:
    return dispatch_result::native;
  }
}

class libc : public ::testing::TestWithParam<mode> {
 protected:
  void SetUp() override {
    ASSERT_EQ(done_at_start.status, patch_status::ok);
    if (GetParam() == mode::dispatched)
      scope_ = std::make_unique<virtual_scope>(answer::hook, spawn_or_native);
  }
  void TearDown() override {
    EXPECT_EQ(dispatcher.dispatched > 0, GetParam() == mode::dispatched);
    scope_.reset();
    dispatcher.dispatched = 0;
  }

  /// Threads begin without a state; this gives them one.
  struct thread_state {
    explicit thread_state(mode m) {
      if (m == mode::dispatched) weft_self = &state;
    }
    ~thread_state() { weft_self = nullptr; }
    entry_state state;
  };

 private:
  std::unique_ptr<virtual_scope> scope_;
};

/// Each file of tests says this once.
inline auto both_modes() {
  return ::testing::Values(mode::fast, mode::dispatched);
}
inline std::string name_of_mode(const ::testing::TestParamInfo<mode>& info) {
  return info.param == mode::fast ? "fast" : "dispatched";
}

} // namespace weft::patch::testing

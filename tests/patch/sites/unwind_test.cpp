// SPDX-License-Identifier: BSL-1.0
// From the dispatcher an unwinder finds the caller of the system call: by backtrace, by exception,
// by the end of a thread.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>

#include <stdexcept>

#include "tests/patch/sites/patched_awkward.hpp"
#include "tests/patch/sites/test_dispatcher.hpp"
#include "tests/patch/sites/trace.hpp"

using namespace weft::patch;
using testing_answer = weft::patch::testing::answer;
using weft::patch::testing::address;
using weft::patch::testing::trace;
using weft::patch::testing::virtual_scope;

namespace {

class unwind : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(weft::patch::testing::patch_awkward()); }
};

trace seen;

TEST_F(unwind, backtrace_from_the_dispatcher) {
  const auto outside = trace::here();
  const virtual_scope scope(testing_answer::hook, [](syscall_frame*) {
    seen = trace::here();
    return dispatch_result::native;
  });
  awkward_plain();
  const int caller = seen.find(address(&awkward_plain), 8);
  ASSERT_GT(caller, 0);
  EXPECT_GE(seen.pc[caller - 1], address(weft_entry_begin));
  EXPECT_LT(seen.pc[caller - 1], address(weft_entry_end));
  // Behind it is this function, and all that called it.
  ASSERT_EQ(seen.count - caller - 1, outside.count - 1);
  for (int i = 1; i < outside.count - 1; ++i)
    EXPECT_EQ(seen.pc[caller + 1 + i], outside.pc[1 + i]);
}

TEST_F(unwind, exception_through_the_stub) {
  static bool destroyed;
  struct witness {
    ~witness() { destroyed = true; }
  };
  const virtual_scope scope(testing_answer::hook, [](syscall_frame*) -> dispatch_result {
    throw std::runtime_error("from the dispatcher");
  });
  EXPECT_THROW(
      {
        const witness w;
        awkward_back_to_back();
      },
      std::runtime_error);
  EXPECT_TRUE(destroyed);
}

TEST_F(unwind, thread_exit_through_the_stub) {
  static bool destroyed;
  struct witness {
    ~witness() { destroyed = true; }
  };
  pthread_t thread;
  auto body = [](void*) -> void* {
    const witness w;
    const virtual_scope scope(testing_answer::hook, [](syscall_frame* frame) {
      if (frame->rax == SYS_getppid) pthread_exit(reinterpret_cast<void*>(5));
      return dispatch_result::native;
    });
    awkward_plain();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, nullptr, body, nullptr), 0);
  void* result = nullptr;
  ASSERT_EQ(pthread_join(thread, &result), 0);
  EXPECT_EQ(result, reinterpret_cast<void*>(5));
  EXPECT_TRUE(destroyed);
}

} // namespace

// SPDX-License-Identifier: BSL-1.0
// What surrounds the patching: what it leaves behind, and processes that are not allowed to.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/patch/sites/patched_awkward.hpp"
#include "tests/patch/sites/test_dispatcher.hpp"

using namespace weft::patch;

namespace {

bool any(int) {
  return true;
}
bool none(int) {
  return false;
}

std::vector<std::string> mappings() {
  std::ifstream file("/proc/self/maps");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    lines.push_back(line);
  return lines;
}

bool contains(const std::string& line, const char* part) {
  return line.find(part) != std::string::npos;
}

/// Runs `body` in a process of its own, since a process is patched but once.
template <class F>
void apart(F body) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        body();
        exit(::testing::Test::HasFailure());
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(environment, no_memory_is_left_writable_and_executable) {
  apart([] {
    const auto executable_files = [] {
      const auto lines = mappings();
      return std::ranges::count_if(
          lines, [](auto& line) { return contains(line, "r-xp") && contains(line, ".so"); });
    };
    const auto before = executable_files();
    site_report report;
    ASSERT_EQ(patch_loaded_objects(any, patch_mode::early, report), patch_status::ok);
    EXPECT_GT(report.patched, 0u);
    EXPECT_EQ(executable_files(), before);
    for (const auto& line : mappings()) {
      EXPECT_FALSE(contains(line, "wx")) << line;
      EXPECT_FALSE(contains(line, "libc.so") && contains(line, "rw-p 00026000")) << line;
    }
  });
}

TEST(environment, unwanted_calls_cost_nothing) {
  apart([] {
    site_report report;
    ASSERT_EQ(patch_object(weft::patch::testing::awkward_object(), none, patch_mode::early, report),
              patch_status::ok);
    // Those whose number is not constant are wanted in any case.
    EXPECT_GT(report.unwanted, 10u);
    EXPECT_GT(report.patched, 0u);
    EXPECT_EQ(awkward_plain(), getppid());
    EXPECT_EQ(report.trampoline_bytes, 4096u);
  });
}

TEST(environment, refused_executable_memory_is_noticed_before_anything_changes) {
  apart([] {
#ifdef PR_SET_MDWE
    constexpr int set_mdwe = PR_SET_MDWE;
#else
    constexpr int set_mdwe = 65;
#endif
    if (prctl(set_mdwe, 1 /* REFUSE_EXEC_GAIN */, 0, 0, 0) != 0) return; // before Linux 6.3
    site_report report;
    EXPECT_EQ(patch_loaded_objects(any, patch_mode::early, report), patch_status::text_denied);
    EXPECT_EQ(report.patched, 0u);
    EXPECT_GT(getppid(), 0);
  });
}

TEST(environment, no_room_is_noticed) {
  apart([] {
    site_report report;
    const rlimit none_left{1 << 20, RLIM_INFINITY};
    ASSERT_EQ(setrlimit(RLIMIT_AS, &none_left), 0);
    EXPECT_EQ(patch_loaded_objects(any, patch_mode::early, report), patch_status::no_room);
    EXPECT_EQ(report.patched, 0u);
    EXPECT_GT(getppid(), 0);
  });
}

TEST(environment, every_status_has_words) {
  for (int i = 0; i <= static_cast<int>(patch_status::too_many_objects); ++i) {
    EXPECT_STRNE(describe(static_cast<patch_status>(i)), "unknown");
  }
  EXPECT_STREQ(describe(static_cast<patch_status>(100)), "unknown");
}

/// All of xmm0-15, and the upper halves where there are such, around a call of `f`.
struct vectors {
  alignas(64) std::uint8_t bytes[16][32];
};

[[gnu::target("avx"), gnu::noinline]] void call_with_vectors(void (*f)(), const vectors& in,
                                                             vectors& out) {
  asm volatile(R"(
    vmovdqu 0(%1), %%ymm0
    vmovdqu 32(%1), %%ymm1
    vmovdqu 192(%1), %%ymm6
    vmovdqu 224(%1), %%ymm7
    vmovdqu 256(%1), %%ymm8
    vmovdqu 480(%1), %%ymm15
    call *%0
    vmovdqu %%ymm0, 0(%2)
    vmovdqu %%ymm1, 32(%2)
    vmovdqu %%ymm6, 192(%2)
    vmovdqu %%ymm7, 224(%2)
    vmovdqu %%ymm8, 256(%2)
    vmovdqu %%ymm15, 480(%2)
    vzeroupper
  )"
               :
               : "r"(f), "b"(&in), "r"(&out)
               : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc",
                 "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

TEST(environment, patching_an_object_keeps_vector_registers) {
  if (!__builtin_cpu_supports("avx")) GTEST_SKIP();
  vectors in, out{};
  for (int i = 0; i < 16; ++i)
    std::memset(in.bytes[i], i + 1, sizeof in.bytes[i]);
  static patch_status status;
  static site_report report;
  static const auto object = weft::patch::testing::awkward_object();
  call_with_vectors([] { status = patch_object(object, any, patch_mode::early, report); }, in, out);
  EXPECT_EQ(status, patch_status::ok);
  for (const int i : {0, 1, 6, 7, 8, 15})
    EXPECT_EQ(std::memcmp(in.bytes[i], out.bytes[i], 32), 0) << i;
}

} // namespace

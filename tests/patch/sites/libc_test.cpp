// SPDX-License-Identifier: BSL-1.0
#include <gnu/libc-version.h>

#include <cstdio>
#include <string>

#include "tests/patch/sites/libc_fixture.hpp"

namespace weft::patch::testing {

patching done_at_start;

namespace {

using namespace std::chrono_literals;

TEST(sites, all_of_glibc) {
  const auto& done = done_at_start;
  for (unsigned i = 0; i < done.report.refused; ++i)
    printf("%s %#lx, number %d: %s\n", done.report.list[i].object, done.report.list[i].address,
           done.report.list[i].nr, done.report.list[i].reason);
  printf("%u objects, %u found, %u patched, %u unwanted, %u refused, %zu bytes, %ld us\n",
         done.report.objects, done.report.found, done.report.patched, done.report.unwanted,
         done.report.refused, done.report.trampoline_bytes, static_cast<long>(done.time / 1us));
  EXPECT_EQ(done.report.found, done.report.patched + done.report.unwanted + done.report.refused);
  if (std::string(gnu_get_libc_version()) == "2.36") {
    // 526 of libc, 46 of ld.so; each has its rt_sigreturn.
    EXPECT_EQ(done.report.found, 572u);
    EXPECT_EQ(done.report.unwanted, 2u);
    EXPECT_EQ(done.report.refused, 0u);
  }
  EXPECT_GE(done.report.patched, 500u);
  EXPECT_LT(done.time, 1s); // a sanity bound; the time itself is printed
}

TEST(sites, patched_again_has_nothing_to_do) {
  site_report again;
  EXPECT_EQ(patch_loaded_objects([](int) { return true; }, patch_mode::early, again),
            patch_status::ok);
  // Those of rt_sigreturn; what was patched is recognised.
  EXPECT_EQ(again.found, 2u);
  EXPECT_EQ(again.patched, 0u);
}

} // namespace
} // namespace weft::patch::testing

int main(int argc, char** argv) {
  using namespace weft::patch;
  auto& done = weft::patch::testing::done_at_start;
  const auto start = std::chrono::steady_clock::now();
  done.status = patch_loaded_objects([](int) { return true; }, patch_mode::early, done.report);
  done.time = std::chrono::steady_clock::now() - start;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// SPDX-License-Identifier: BSL-1.0
#include "patch/launcher/preload.hpp"

#include "patch/launcher/program_check.hpp"
#include "patch/launcher/program_path.hpp"

#include <cerrno>
#include <gtest/gtest.h>

namespace weft::launcher::test {
namespace {

constexpr const char* ours = "/opt/libweft-patch.so";

TEST(Preload, AloneWhenThereIsNoOther) {
  EXPECT_EQ(preload_value(ours, "", {}), ours);
}

TEST(Preload, OthersFollowInTheirOrder) {
  EXPECT_EQ(preload_value(ours, "/a.so /b.so::c.so", {"libc.so.6"}),
            "/opt/libweft-patch.so:/a.so:/b.so:c.so");
}

TEST(Preload, NestingDoesNotRepeatOurs) {
  const auto once = preload_value(ours, "/a.so", {});
  EXPECT_EQ(preload_value(ours, once, {}), once);
}

TEST(Preload, AddressSanitizerStaysFirst) {
  EXPECT_EQ(preload_value(ours, "/a.so:/usr/lib/libasan.so.8", {}),
            "/usr/lib/libasan.so.8:/opt/libweft-patch.so:/a.so");
  EXPECT_EQ(preload_value(ours, "/a.so", {"libm.so.6", "libasan.so.8"}),
            "libasan.so.8:/opt/libweft-patch.so:/a.so");
  EXPECT_EQ(preload_value(ours, "/usr/lib/libasan.so.8", {"libasan.so.8"}),
            "/usr/lib/libasan.so.8:/opt/libweft-patch.so");
}

TEST(Preload, PathsThatTheLoaderWouldSplitOrExpandAreRecognised) {
  EXPECT_TRUE(is_preloadable("/opt/weft-0.1/libweft-patch.so"));
  for (const char* path : {"/my programs/x.so", "/a:b/x.so", "/$LIB/x.so", "/a\tb/x.so"})
    EXPECT_FALSE(is_preloadable(path)) << path;
}

TEST(ScriptInterpreter, IsReadAsTheKernelDoes) {
  EXPECT_EQ(script_interpreter("#!/bin/sh\necho"), "/bin/sh");
  EXPECT_EQ(script_interpreter("#! \t/usr/bin/env python3 -u\n"), "/usr/bin/env");
  EXPECT_EQ(script_interpreter("#!/bin/sh"), "/bin/sh");
  EXPECT_EQ(script_interpreter("#!relative\n"), "relative");
}

TEST(ScriptInterpreter, IsAbsentElsewhere) {
  EXPECT_EQ(script_interpreter(""), std::nullopt);
  EXPECT_EQ(script_interpreter("echo"), std::nullopt);
  EXPECT_EQ(script_interpreter("#!\n/bin/sh"), std::nullopt);
  EXPECT_EQ(script_interpreter("#!  "), std::nullopt);
  EXPECT_EQ(script_interpreter("#!/" + std::string(300, 'x') + "\n"), std::nullopt);
}

TEST(FindProgram, LooksThroughThePath) {
  EXPECT_EQ(find_program("sh", "/nowhere:/bin:/usr/bin").path, "/bin/sh");
  EXPECT_EQ(find_program("sh", nullptr).path, "/bin/sh");
  EXPECT_EQ(find_program("sh", "/nowhere").error, ENOENT);
  EXPECT_EQ(find_program("", "/bin").error, ENOENT);
}

TEST(FindProgram, TakesSlashesLiterally) {
  EXPECT_EQ(find_program("/bin/sh", "/nowhere").path, "/bin/sh");
  EXPECT_EQ(find_program("./no-such-program", "/bin").error, ENOENT);
}

TEST(FindProgram, RemembersWhatExistsButMayNotRun) {
  EXPECT_EQ(find_program("/etc/passwd", nullptr).error, EACCES);
  EXPECT_EQ(find_program("passwd", "/etc:/nowhere").error, EACCES);
  EXPECT_EQ(find_program("/tmp", nullptr).error, EACCES);
}

} // namespace
} // namespace weft::launcher::test

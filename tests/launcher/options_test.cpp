// SPDX-License-Identifier: BSL-1.0
#include "patch/launcher/options.hpp"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

namespace weft::launcher::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class Options : public ::testing::Test {
 protected:
  void SetUp() override { variables().clear(); }

  static std::map<std::string, std::string>& variables() {
    static std::map<std::string, std::string> all;
    return all;
  }
  static options parse(const std::vector<std::string>& arguments) {
    return parse_options(arguments, [](const char* name) -> const char* {
      const auto found = variables().find(name);
      return found == variables().end() ? nullptr : found->second.c_str();
    });
  }
  static std::string complaint(const std::vector<std::string>& arguments) {
    try {
      parse(arguments);
    } catch (const usage_error& error) {
      return error.what();
    }
    return {};
  }
};

TEST_F(Options, ProgramAloneAsksForNothing) {
  const auto chosen = parse({"echo", "-n", "--verbose"});
  EXPECT_EQ(chosen.what, action::run);
  EXPECT_THAT(chosen.program, ElementsAre("echo", "-n", "--verbose"));
  EXPECT_THAT(to_variables(chosen), IsEmpty());
}

TEST_F(Options, EachReachesItsVariable) {
  const auto chosen =
      parse({"--verbose", "--stats", "--if-possible", "--no-children", "--stack-size", "1M",
             "--dump-signal", "USR2", "--warn-blocking=25", "x"});
  EXPECT_THAT(to_variables(chosen),
              UnorderedElementsAre(
                  Pair("WEFT_VERBOSE", "1"), Pair("WEFT_STATS", "1"), Pair("WEFT_IF_POSSIBLE", "1"),
                  Pair("WEFT_NO_CHILDREN", "1"), Pair("WEFT_STACK_SIZE", "1048576"),
                  Pair("WEFT_DUMP_SIGNAL", "USR2"), Pair("WEFT_WARN_BLOCKING", "25")));
  EXPECT_THAT(chosen.program, ElementsAre("x"));
}

TEST_F(Options, DoubleDashEndsThem) {
  EXPECT_THAT(parse({"--stats", "--", "--verbose", "--"}).program, ElementsAre("--verbose", "--"));
  EXPECT_EQ(complaint({"--"}), "no program given");
}

TEST_F(Options, HelpAndVersionNeedNoProgram) {
  EXPECT_EQ(parse({"--help"}).what, action::help);
  EXPECT_EQ(parse({"--stats", "--version"}).what, action::version);
  EXPECT_EQ(complaint({}), "no program given");
  EXPECT_EQ(complaint({"--check"}), "no program given");
}

TEST_F(Options, UnknownOneIsNamed) {
  EXPECT_EQ(complaint({"--worker", "x"}), "no such option: --worker");
  EXPECT_EQ(complaint({"-x", "x"}), "no such option: -x");
  EXPECT_EQ(complaint({"-", "x"}), "no such option: -");
}

TEST_F(Options, VariablesDoTheSame) {
  variables() = {{"WEFT_STATS", "1"}, {"WEFT_VERBOSE", "0"}, {"WEFT_STACK_SIZE", "64K"}};
  const auto chosen = parse({"x"});
  EXPECT_EQ(chosen.stats, "1");
  EXPECT_FALSE(chosen.verbose);
  EXPECT_EQ(chosen.stack_size, 65536U);
  EXPECT_EQ(parse({"--stack-size=32K", "x"}).stack_size, 32768U)
      << "the command line has the last word";
}

TEST_F(Options, VariablesThatMakeNoSenseAreNamed) {
  variables() = {{"WEFT_STATS", "yes"}};
  EXPECT_THAT(complaint({"x"}), HasSubstr("WEFT_STATS"));
  variables() = {{"WEFT_STACK_SIZE", "big"}};
  EXPECT_THAT(complaint({"x"}), HasSubstr("WEFT_STACK_SIZE"));
}

TEST_F(Options, StatisticsMayBeJsonInAFile) {
  EXPECT_EQ(parse({"--stats", "x"}).stats, "1");
  EXPECT_EQ(parse({"--stats=json", "x"}).stats, "json");
  EXPECT_EQ(parse({"--stats=json:/tmp/a b", "x"}).stats, "json:/tmp/a b");
  EXPECT_EQ(parse({"--stats=json:a", "x"}).stats,
            "json:" + std::filesystem::current_path().string() + "/a")
      << "the program may change its directory";
  EXPECT_THAT(complaint({"--stats=xml", "x"}), HasSubstr("'xml'"));
  EXPECT_THAT(complaint({"--stats=json:", "x"}), HasSubstr("'json:'"));
  EXPECT_THAT(complaint({"--stats=json:/" + std::string(5000, 'a'), "x"}), HasSubstr("too long"));
}

TEST_F(Options, WhatTheCommandLineTurnsOffIsOff) {
  variables() = {{"WEFT_STATS", "json"}, {"WEFT_WARN_BLOCKING", "5"}};
  EXPECT_THAT(to_variables(parse({"--stats=0", "--warn-blocking=0", "x"})),
              ElementsAre(Pair("WEFT_STATS", "0"), Pair("WEFT_WARN_BLOCKING", "0")));
}

TEST_F(Options, TheDumpSignalMustBeOneToSpare) {
  for (const char* text : {"USR2", "SIGUSR2", "12", "QUIT", "34", "64"})
    EXPECT_EQ(parse({"--dump-signal", text, "x"}).dump_signal, text);
  for (const char* text :
       {"", "KILL", "SIGSTOP", "SEGV", "SIG", "usr2", "0", "9", "32", "33", "65", "100", "-1"})
    EXPECT_THAT(complaint({std::string("--dump-signal=") + text, "x"}), HasSubstr("--dump-signal"))
        << text;
  EXPECT_EQ(complaint({"--dump-signal"}), "--dump-signal: needs a value");
}

TEST_F(Options, BlockingIsWarnedOfAfterTenMilliseconds) {
  EXPECT_EQ(parse({"--warn-blocking", "x"}).warn_blocking, "10");
  for (const char* text : {"-1", "1s", "3600001", "", "99999999999"})
    EXPECT_THAT(complaint({std::string("--warn-blocking=") + text, "x"}), HasSubstr("milliseconds"))
        << text;
}

TEST_F(Options, StackSizesOutOfReasonAreRefused) {
  EXPECT_EQ(complaint({"--stack-size"}), "--stack-size: needs a value");
  EXPECT_THAT(complaint({"--stack-size", "1T", "x"}), HasSubstr("not a size: '1T'"));
  EXPECT_THAT(complaint({"--stack-size=", "x"}), HasSubstr("not a size"));
  EXPECT_THAT(complaint({"--stack-size=16383", "x"}), HasSubstr("at least 16K"));
  EXPECT_EQ(complaint({"--stack-size=16384", "x"}), "");
}

TEST(ParseSize, ReadsUnits) {
  EXPECT_EQ(parse_size("65536"), 65536U);
  EXPECT_EQ(parse_size("64k"), 65536U);
  EXPECT_EQ(parse_size("8M"), 8388608U);
  EXPECT_EQ(parse_size("1g"), 1073741824U);
}

TEST(ParseSize, RefusesTheRest) {
  for (const char* text : {"", "K", "-1", "+1", " 1", "1 K", "1KB", "0x10", "1.5M",
                           "18446744073709551616", "17179869184G"})
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
}

} // namespace
} // namespace weft::launcher::test

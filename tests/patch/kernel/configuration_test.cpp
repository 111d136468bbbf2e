// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/configuration.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

namespace weft::patch {
namespace {

/// An environment as a process finds it, and what is read from it.
class environment {
 public:
  explicit environment(std::vector<std::string> entries) : entries_(std::move(entries)) {
    for (std::string& each : entries_)
      pointers_.push_back(each.data());
    pointers_.push_back(nullptr);
    complaint = read_configuration(pointers_.data());
  }
  /// The environment as it is now.
  std::vector<std::string> now() const {
    std::vector<std::string> all;
    for (char* const* each = pointers_.data(); *each; ++each)
      all.emplace_back(*each);
    return all;
  }
  const char* complaint;

 private:
  std::vector<std::string> entries_;
  std::vector<char*> pointers_;
};

using strings = std::vector<std::string>;

TEST(configuration, switches) {
  const environment on({"WEFT_VERBOSE=1", "WEFT_STATS=1", "WEFT_IF_POSSIBLE=1", "PATH=/bin"});
  EXPECT_EQ(on.complaint, nullptr);
  EXPECT_TRUE(the_configuration().verbose);
  EXPECT_EQ(the_configuration().statistics, report_form::text);
  EXPECT_TRUE(the_configuration().if_possible);
  const environment off({"WEFT_VERBOSE=0", "WEFT_STATS=", "WEFT_IF_POSSIBLE=0"});
  EXPECT_FALSE(the_configuration().verbose);
  EXPECT_EQ(the_configuration().statistics, report_form::none);
  EXPECT_FALSE(the_configuration().if_possible);
}

TEST(configuration, only_whole_names_count) {
  const environment reset({"WEFT_VERBOSE=0", "WEFT_STATS=0"});
  const environment others({"WEFT_VERBOSELY=1", "WEFT_STAT=1", "XWEFT_STATS=1", "WEFT_STATS"});
  EXPECT_FALSE(the_configuration().verbose);
  EXPECT_EQ(the_configuration().statistics, report_form::none);
}

TEST(configuration, statistics_as_json) {
  const environment plain({"WEFT_STATS=json"});
  EXPECT_EQ(plain.complaint, nullptr);
  EXPECT_EQ(the_configuration().statistics, report_form::json);
  EXPECT_STREQ(the_configuration().statistics_file, "");
  {
    const environment file({"WEFT_STATS=json:/tmp/x"});
    EXPECT_EQ(file.complaint, nullptr);
  }
  EXPECT_STREQ(the_configuration().statistics_file, "/tmp/x") << "a copy";
  for (const std::string& text : {std::string("json:"), std::string("jsonx"), std::string("json,x"),
                                  "json:" + std::string(4096, 'a')}) {
    const environment wrong({"WEFT_STATS=" + text});
    EXPECT_NE(wrong.complaint, nullptr) << text;
  }
  const environment longest({"WEFT_STATS=json:" + std::string(4095, 'a')});
  EXPECT_EQ(longest.complaint, nullptr);
}

TEST(configuration, the_launcher_s_tunable_is_taken_out_again) {
  const std::string own = "glibc.pthread.stack_cache_size=1073741824";
  EXPECT_EQ(environment({"A=1", "GLIBC_TUNABLES=" + own, "B=2"}).now(), (strings{"A=1", "B=2"}));
  EXPECT_EQ(environment({"GLIBC_TUNABLES=glibc.malloc.check=1:" + own}).now(),
            strings{"GLIBC_TUNABLES=glibc.malloc.check=1"});
  const strings others{"GLIBC_TUNABLES=glibc.pthread.stack_cache_size=4096"};
  EXPECT_EQ(environment(others).now(), others);
  EXPECT_EQ(environment({"WEFT_NO_CHILDREN=1", "LD_PRELOAD=/libweft-patch.so",
                         "GLIBC_TUNABLES=" + own, "Z=1"})
                .now(),
            (strings{"WEFT_NO_CHILDREN=1", "Z=1"}));
  const environment reset({"WEFT_NO_CHILDREN=0"});
}

TEST(configuration, dump_signal) {
  const environment named({"WEFT_DUMP_SIGNAL=USR2"});
  EXPECT_EQ(named.complaint, nullptr);
  EXPECT_EQ(the_configuration().dump_signal, SIGUSR2);
  const environment empty({"WEFT_DUMP_SIGNAL="});
  EXPECT_EQ(empty.complaint, nullptr);
  const environment wrong({"WEFT_DUMP_SIGNAL=KILL"});
  EXPECT_NE(wrong.complaint, nullptr);
  EXPECT_EQ(the_configuration().dump_signal, 0);
}

TEST(configuration, warn_blocking) {
  const environment some({"WEFT_WARN_BLOCKING=25"});
  EXPECT_EQ(some.complaint, nullptr);
  EXPECT_EQ(the_configuration().warn_blocking, 25u);
  const environment off({"WEFT_WARN_BLOCKING=0"});
  EXPECT_EQ(off.complaint, nullptr);
  EXPECT_EQ(the_configuration().warn_blocking, 0u);
  for (const char* text : {"10ms", "-1", "3600001", "99999999999999999999"}) {
    const environment wrong({std::string("WEFT_WARN_BLOCKING=") + text});
    EXPECT_NE(wrong.complaint, nullptr) << text;
  }
}

TEST(configuration, backend) {
  const environment other({"WEFT_BACKEND=io_uring"});
  EXPECT_EQ(other.complaint, nullptr);
  EXPECT_TRUE(the_configuration().io_uring);
  const environment wrong({"WEFT_BACKEND=kqueue"});
  EXPECT_STREQ(wrong.complaint, "weft: WEFT_BACKEND must be epoll or io_uring\n");
  EXPECT_FALSE(the_configuration().io_uring);
  const environment usual({"WEFT_BACKEND=epoll"});
  EXPECT_EQ(usual.complaint, nullptr);
  EXPECT_FALSE(the_configuration().io_uring);
}

struct size_case {
  const char* text;
  std::size_t bytes;
};

TEST(configuration, stack_sizes) {
  for (const auto& [text, bytes] : {size_case{"16384", 16384},
                                    {"16k", 16384},
                                    {"256K", 262144},
                                    {"2m", 2u << 20},
                                    {"8M", 8u << 20},
                                    {"1g", 1u << 30},
                                    {"1G", 1u << 30}}) {
    const environment e({std::string("WEFT_STACK_SIZE=") + text});
    EXPECT_EQ(e.complaint, nullptr) << text;
    EXPECT_EQ(the_configuration().stack_size, bytes) << text;
  }
}

TEST(configuration, an_empty_stack_size_is_none) {
  const environment e({"WEFT_STACK_SIZE="});
  EXPECT_EQ(e.complaint, nullptr);
}

TEST(configuration, what_is_no_stack_size_is_complained_about_in_one_line) {
  for (const char* text : {"K", "0", "16383", "15K", "1KB", "1T", "-1", "0x10000", " 64K", "64 K",
                           "99999999999999999999", "17592186044416G", "18446744073709551616"}) {
    const environment e({std::string("WEFT_STACK_SIZE=") + text});
    ASSERT_NE(e.complaint, nullptr) << text;
    const std::string said = e.complaint;
    EXPECT_EQ(said.rfind("weft: WEFT_STACK_SIZE ", 0), 0u);
    EXPECT_EQ(said.find('\n'), said.size() - 1) << "one line";
  }
}

strings after_no_children(const std::string& preload) {
  const environment e({"A=1", "WEFT_NO_CHILDREN=1", "LD_PRELOAD=" + preload, "Z=2"});
  return e.now();
}

TEST(configuration, no_children_takes_weft_out_of_ld_preload) {
  const strings gone{"A=1", "WEFT_NO_CHILDREN=1", "Z=2"};
  EXPECT_EQ(after_no_children("/lib/libweft-patch.so"), gone);
  EXPECT_EQ(after_no_children("libweft-patch.so.0"), gone) << "a versioned name";
  EXPECT_EQ(after_no_children(":/lib/libweft-patch.so:"), gone) << "empty entries go as well";

  const auto kept = [](const char* list) {
    return strings{"A=1", "WEFT_NO_CHILDREN=1", std::string("LD_PRELOAD=") + list, "Z=2"};
  };
  EXPECT_EQ(after_no_children("/lib/libweft-patch.so:/lib/other.so"), kept("/lib/other.so"));
  EXPECT_EQ(after_no_children("/a.so /lib/libweft-patch.so /b.so"), kept("/a.so:/b.so"));
  EXPECT_EQ(after_no_children("/a.so:/b.so"), kept("/a.so:/b.so"));
}

TEST(configuration, a_folder_of_weft_s_name_is_not_weft) {
  EXPECT_EQ(
      after_no_children("/opt/libweft-patch.so.d/other.so"),
      (strings{"A=1", "WEFT_NO_CHILDREN=1", "LD_PRELOAD=/opt/libweft-patch.so.d/other.so", "Z=2"}));
}

TEST(configuration, children_keep_ld_preload_otherwise) {
  const environment e({"WEFT_NO_CHILDREN=0", "LD_PRELOAD=/lib/libweft-patch.so"});
  EXPECT_EQ(e.now(), (strings{"WEFT_NO_CHILDREN=0", "LD_PRELOAD=/lib/libweft-patch.so"}));
}

} // namespace
} // namespace weft::patch

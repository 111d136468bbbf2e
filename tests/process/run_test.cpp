// SPDX-License-Identifier: BSL-1.0
#include "tests/process/children.hpp"

namespace weft::test {
namespace {

class subprocess_run : public process_test {};

TEST_F(subprocess_run, from_input_to_output) {
  weft::run([] {
    const auto done = subprocess::run({"tr", "a-z", "A-Z"}, {.input = "quiet"});
    EXPECT_EQ(done.out, "QUIET");
    EXPECT_TRUE(done.status.success());
  });
}

TEST_F(subprocess_run, side_by_side) {
  weft::run([] {
    const auto begun = clock::now();
    std::vector<task<std::string>> all;
    for (int i = 0; i < 10; ++i)
      all.push_back(spawn(
          [i] { return subprocess::run(shell("sleep 0.2; echo " + std::to_string(i))).out; }));
    for (std::size_t i = 0; i < 10; ++i)
      EXPECT_EQ(all[i].get(), std::to_string(i) + "\n");
    EXPECT_LT(clock::now() - begun, 1900ms);
  });
}

TEST_F(subprocess_run, time_out_kills_and_keeps_what_came) {
  weft::run([] {
    const auto done = subprocess::run(shell("echo begun; exec sleep 60"), {.timeout = 100ms});
    EXPECT_TRUE(done.timed_out);
    EXPECT_EQ(done.out, "begun\n");
    EXPECT_EQ(done.status.signal(), SIGKILL);
  });
}

TEST_F(subprocess_run, check) {
  try {
    subprocess::run(shell("echo said; exit 5"), {.check = true});
    ADD_FAILURE();
  } catch (const process_error& e) {
    EXPECT_STREQ(e.what(), "weft: /bin/sh ended with exit status 5");
    EXPECT_EQ(e.output().status.code(), 5);
    EXPECT_EQ(e.output().out, "said\n");
  }
  EXPECT_THROW(subprocess::run({"sleep", "60"}, {.timeout = 5ms, .check = true}), process_error);
  EXPECT_NO_THROW(subprocess::run({"true"}, {.check = true}));
  EXPECT_THROW(subprocess::run({"cat"}, {.input = "a", .in = stdio::null}), std::invalid_argument);
}

TEST_F(subprocess_run, cancelled_it_leaves_no_child) {
  weft::run([] {
    auto running = spawn([] { subprocess::run({"sleep", "60"}); });
    EXPECT_TRUE(comes_true(&has_children));
    running.kill();
    EXPECT_TRUE(running.was_cancelled());
  });
}

TEST_F(subprocess_run, under_a_timeout_scope) {
  weft::run([] {
    try {
      timeout_scope limit(20ms);
      subprocess::run({"sleep", "60"});
      ADD_FAILURE();
    } catch (const timeout_expired&) {
    }
  });
}

} // namespace
} // namespace weft::test

// SPDX-License-Identifier: BSL-1.0
// Writing and reading at the same time.
#include "tests/process/children.hpp"

namespace weft::test {
namespace {

class subprocess_communicate : public process_test {};

const std::string megabyte(1'000'000, 'x');

TEST_F(subprocess_communicate, more_than_pipes_hold) {
  weft::run([] {
    subprocess child({"tee", "/dev/stderr"},
                     {.in = stdio::pipe, .out = stdio::pipe, .err = stdio::pipe});
    const auto output = child.communicate(megabyte);
    EXPECT_TRUE(output.status.success());
    EXPECT_TRUE(output.out == megabyte);
    EXPECT_TRUE(output.err == megabyte);
    EXPECT_FALSE(output.timed_out);
  });
}

TEST_F(subprocess_communicate, on_a_thread_without_a_hub) {
  std::thread([] {
    subprocess child({"cat"}, {.in = stdio::pipe, .out = stdio::pipe});
    EXPECT_TRUE(child.communicate(megabyte).out == megabyte);
    EXPECT_FALSE(current().valid());
  }).join();
}

TEST_F(subprocess_communicate, a_child_that_does_not_read_its_input) {
  weft::run([] {
    subprocess child(shell("exec <&-; echo away; exit 4"), {.in = stdio::pipe, .out = stdio::pipe});
    const auto output = child.communicate(megabyte); // and no SIGPIPE
    EXPECT_EQ(output.status.code(), 4);
    EXPECT_EQ(output.out, "away\n");
  });
}

TEST_F(subprocess_communicate, goes_on_after_a_time_out) {
  weft::run([] {
    subprocess child(shell("cat; sleep 0.05; echo late"), {.in = stdio::pipe, .out = stdio::pipe});
    const auto begun = clock::now();
    EXPECT_FALSE(child.communicate("early\n", 10ms));
    EXPECT_GE(clock::now() - begun, 10ms);
    EXPECT_EQ(child.communicate().out, "early\nlate\n");
  });
}

TEST_F(subprocess_communicate, goes_on_after_a_cancellation) {
  weft::run([] {
    subprocess child(shell("cat; sleep 0.05; echo late"), {.in = stdio::pipe, .out = stdio::pipe});
    auto first = spawn([&] { child.communicate("early\n"); });
    sleep(10ms);
    first.kill();
    EXPECT_TRUE(first.was_cancelled());
    EXPECT_EQ(child.communicate("ignored").out, "early\nlate\n");
  });
}

TEST_F(subprocess_communicate, begins_with_what_was_read_ahead) {
  weft::run([] {
    subprocess child(shell("echo a; echo b; echo c"), {.out = stdio::pipe});
    EXPECT_EQ(child.out().read_line(), "a");
    EXPECT_EQ(child.communicate().out, "b\nc\n");
    EXPECT_EQ(child.communicate().out, "");
    EXPECT_TRUE(child.communicate({}, 0s)->status.success());
  });
}

TEST_F(subprocess_communicate, a_child_that_is_always_ready) {
  weft::run([] {
    subprocess child({"cat", "/dev/zero"}, {.out = stdio::pipe});
    int turns = 0;
    auto other = spawn([&] {
      while (true) {
        ++turns;
        yield();
      }
    });
    EXPECT_FALSE(child.communicate({}, 10ms));
    EXPECT_GT(turns, 2);
    other.kill();
  });
}

TEST_F(subprocess_communicate, nothing_piped_is_a_wait) {
  weft::run([] {
    subprocess child(shell("exit 7"));
    EXPECT_EQ(child.communicate().status.code(), 7);
  });
}

} // namespace
} // namespace weft::test

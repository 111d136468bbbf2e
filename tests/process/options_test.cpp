// SPDX-License-Identifier: BSL-1.0
// What a child is given.
#include <fcntl.h>

#include "tests/process/children.hpp"

namespace weft::test {
namespace {

class subprocess_options : public process_test {};

std::string output_of(const std::vector<std::string>& arguments,
                      const run_process_options& options = {}) {
  return subprocess::run(arguments, options).out;
}

TEST_F(subprocess_options, streams_are_pipes) {
  weft::run([] {
    subprocess child(shell("read x; echo got $x; echo bad >&2; read y; echo $y"),
                     {.in = stdio::pipe, .out = stdio::pipe, .err = stdio::pipe});
    child.in().write_all("one\n");
    EXPECT_EQ(child.out().read_line(), "got one");
    EXPECT_EQ(child.err().read_line(), "bad");
    child.in().write_all("two\n");
    EXPECT_EQ(child.out().read_all(), "two\n");
    EXPECT_TRUE(child.wait().success());
    EXPECT_EQ(child.err().read_line(), std::nullopt);
  });
}

TEST_F(subprocess_options, null_and_merged) {
  EXPECT_EQ(
      output_of(shell("cat; echo out; echo err >&2"), {.in = stdio::null, .err = stdio::to_stdout}),
      "out\nerr\n");
  const auto both =
      subprocess::run(shell("echo out; echo err >&2"), {.out = stdio::null, .err = stdio::pipe});
  EXPECT_EQ(both.out, "");
  EXPECT_EQ(both.err, "err\n");
  auto [to_read, to_write] = make_pipe();
  subprocess::run(shell("echo out; echo err >&2"), {.out = to_write.fd(), .err = stdio::to_stdout});
  to_write.close();
  EXPECT_EQ(to_read.read_all(), "out\nerr\n");
}

TEST_F(subprocess_options, descriptors_may_be_crossed) {
  auto [to_read, to_write] = make_pipe();
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
  const int err = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
  auto [read_out, write_out] = make_pipe();
  auto [read_err, write_err] = make_pipe();
  ::dup2(write_out.fd(), STDOUT_FILENO);
  ::dup2(write_err.fd(), STDERR_FILENO);
  // Standard output to where the error goes, and the other way round.
  const auto status = subprocess(shell("echo out; echo err >&2"), {.out = 2, .err = 1}).wait();
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::close(out);
  ::close(err);
  write_out.close();
  write_err.close();
  EXPECT_TRUE(status.success());
  EXPECT_EQ(read_out.read_all(), "err\n");
  EXPECT_EQ(read_err.read_all(), "out\n");
}

TEST_F(subprocess_options, standard_descriptors_that_are_closed_here) {
  const int in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
  ::close(STDIN_FILENO);
  const auto done = subprocess::run({"cat"}, {.input = "abc"});
  ::dup2(in, STDIN_FILENO);
  ::close(in);
  EXPECT_EQ(done.out, "abc");
}

TEST_F(subprocess_options, directory_and_environment) {
  EXPECT_EQ(output_of({"pwd"}, {.directory = "/usr"}), "/usr\n");
  EXPECT_EQ(output_of({"/usr/bin/env"}, {.environment = {{{"A", "1"}, {"B", "x=y"}}}}),
            "A=1\nB=x=y\n");
  EXPECT_EQ(output_of({"/usr/bin/env"}, {.environment = environment_variables{}}), "");
  auto variables = current_environment();
  EXPECT_EQ(variables.at("PATH"), ::getenv("PATH"));
  variables["WEFT_TEST_VARIABLE"] = "here";
  EXPECT_EQ(output_of(shell("echo $WEFT_TEST_VARIABLE"), {.environment = variables}), "here\n");
}

TEST_F(subprocess_options, no_descriptor_leaks) {
  const int leaky = ::open("/dev/null", O_RDONLY); // not close-on-exec
  const int kept = ::fcntl(leaky, F_DUPFD_CLOEXEC, 20);
  const subprocess other({"sleep", "60"}, {.in = stdio::pipe, .out = stdio::pipe});
  // ls has one open of the directory itself.
  EXPECT_EQ(output_of({"ls", "/proc/self/fd"}), "0\n1\n2\n3\n");
  EXPECT_EQ(output_of({"ls", "/proc/self/fd"}, {.keep = {kept}}),
            "0\n1\n2\n" + std::to_string(kept) + "\n3\n");
  EXPECT_NE(::fcntl(kept, F_GETFD) & FD_CLOEXEC, 0);
  ::close(leaky);
  ::close(kept);
}

TEST_F(subprocess_options, sessions_and_groups) {
  const std::string own = std::to_string(::getpgrp()) + " " + std::to_string(::getsid(0)) + "\n";
  const auto show = shell("set -- $(cat /proc/self/stat); echo $5 $6");
  const auto of = [&](bool session, bool group) {
    subprocess child(show, {.out = stdio::pipe, .new_session = session, .new_group = group});
    const std::string pid = std::to_string(child.pid());
    return std::pair(child.communicate().out, pid);
  };
  EXPECT_EQ(of(false, false).first, own);
  const auto [in_session, leader] = of(true, false);
  EXPECT_EQ(in_session, leader + " " + leader + "\n");
  const auto [in_group, first] = of(false, true);
  EXPECT_EQ(in_group, first + " " + std::to_string(::getsid(0)) + "\n");
}

TEST_F(subprocess_options, signals_are_as_new) {
  struct sigaction before {};
  ::sigaction(SIGUSR1, nullptr, &before);
  ::signal(SIGUSR1, SIG_IGN);
  sigset_t blocked, mask;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &mask);
  const std::vector<std::string> show{"grep", "-E", "SigBlk|SigIgn", "/proc/self/status"};
  const std::string fresh = output_of(show);
  const std::string inherited = output_of(show, {.reset_signals = false});
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::sigaction(SIGUSR1, &before, nullptr);
  const auto bits = [](const std::string& text, const char* name) {
    return std::stoull(text.substr(text.find(name) + 8), nullptr, 16) & 0x7fffffff; // 32: libc's
  };
  EXPECT_EQ(bits(fresh, "SigBlk"), 0u);
  EXPECT_EQ(bits(fresh, "SigIgn"), 0u);
  EXPECT_NE(bits(inherited, "SigBlk") & (1u << (SIGUSR2 - 1)), 0u);
  EXPECT_NE(bits(inherited, "SigIgn") & (1u << (SIGUSR1 - 1)), 0u);
}

} // namespace
} // namespace weft::test

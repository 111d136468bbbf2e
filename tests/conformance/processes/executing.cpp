// SPDX-License-Identifier: BSL-1.0
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"
#include "tests/conformance/processes/child.hpp"
#include "tests/conformance/signals/signal_set.hpp"

#include <atomic>
#include <cstdlib>
#include <fcntl.h>
#include <set>
#include <spawn.h>
#include <vector>

extern char** environ;

namespace {

using namespace conformance;

std::string read_all(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof buffer)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    all.append(buffer, static_cast<std::size_t>(n));
  }
  return all;
}

template <class Body>
void in_threads(int count, Body body) {
  std::vector<std::thread> threads;
  for (int t = 0; t < count; ++t)
    threads.emplace_back(body, t);
  for (std::thread& thread : threads)
    thread.join();
}

void fork_and_exec() {
  in_threads(4, [](int t) {
    pipe_pair pipe;
    const std::string word = "word" + std::to_string(t);
    const pid_t child = fork();
    if (child == 0) {
      dup2(pipe.writer, 1);
      execl("/bin/echo", "echo", word.c_str(), nullptr);
      _exit(127);
    }
    close_once(pipe.writer);
    expect_equal(read_all(pipe.reader), word + "\n", "what the program wrote");
    expect_equal(status_of(child), "exited 0", "echo");
  });
}

void vfork_and_exec() {
  in_threads(4, [](int t) {
    const std::string script = "exit " + std::to_string(10 + t);
    for (int i = 0; i < 3; ++i) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
      const pid_t child = vfork();
#pragma GCC diagnostic pop
      if (child == 0) {
        execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
        _exit(127);
      }
      expect(child > 0, "vfork");
      expect_equal(status_of(child), "exited " + std::to_string(10 + t), "sh");
    }
  });
}

void exec_of_nothing() {
  const pid_t child = in_child([] {
    execl("/no/such/program", "program", nullptr);
    return errno == ENOENT ? 33 : 1;
  });
  expect_equal(status_of(child), "exited 33", "execl fails with ENOENT");
}

void spawn_with_actions() {
  in_threads(4, [](int t) {
    pipe_pair in;
    pipe_pair out;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in.reader, 0);
    posix_spawn_file_actions_adddup2(&actions, out.writer, 1);
    const char* arguments[] = {"tr", "a-z", "A-Z", nullptr};
    pid_t child = 0;
    expect_equal(posix_spawn(&child, "/usr/bin/tr", &actions, nullptr,
                             const_cast<char**>(arguments), environ),
                 0, "posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    close_once(in.reader);
    close_once(out.writer);
    const std::string text = "thread " + std::to_string(t);
    expect_equal(write(in.writer, text.data(), text.size()), static_cast<ssize_t>(text.size()),
                 "write");
    close_once(in.writer);
    expect_equal(read_all(out.reader), "THREAD " + std::to_string(t), "the answer");
    expect_equal(status_of(child), "exited 0", "tr");
  });
  pid_t child = 0;
  const char* arguments[] = {"none", nullptr};
  expect_equal(posix_spawn(&child, "/no/such/program", nullptr, nullptr,
                           const_cast<char**>(arguments), environ),
               ENOENT, "posix_spawn of nothing");
}

void spawn_with_mask_and_defaults() {
  const handling handler(SIGUSR1, [](int) {});
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const sigset_t mask = set_of({SIGUSR2});
  posix_spawnattr_setsigmask(&attributes, &mask);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::thread([&] {
    pipe_pair out;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out.writer, 1);
    const char* arguments[] = {"grep", "-E", "^Sig(Blk|Cgt)", "/proc/self/status", nullptr};
    pid_t child = 0;
    expect_equal(posix_spawn(&child, "/bin/grep", &actions, &attributes,
                             const_cast<char**>(arguments), environ),
                 0, "posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    close_once(out.writer);
    const std::string text = read_all(out.reader);
    expect(text.find("SigBlk:\t0000000000000800") != std::string::npos, "the mask: " + text);
    expect_equal(status_of(child), "exited 0", "grep");
  }).join();
  posix_spawnattr_destroy(&attributes);
}

void popen_and_pclose() {
  in_threads(4, [](int t) {
    const std::string command = "sleep 0.05; echo from " + std::to_string(t) + "; exit 3";
    FILE* stream = popen(command.c_str(), "r");
    expect(stream != nullptr, "popen");
    if (stream == nullptr) return;
    char line[64] = {};
    expect(std::fgets(line, sizeof line, stream) != nullptr, "fgets");
    expect_equal(std::string(line), "from " + std::to_string(t) + "\n", "the line");
    expect_equal(describe(pclose(stream)), "exited 3", "pclose");
  });
}

void system_in_threads() {
  const stopwatch watch;
  in_threads(6, [](int t) {
    const std::string command = "sleep 0.3; exit " + std::to_string(t);
    expect_equal(describe(std::system(command.c_str())), "exited " + std::to_string(t), "system");
  });
  watch.expect_between(300ms, 20s, "six programs at once");
}

void descriptors_across_exec() {
  const pipe_pair kept(0);
  const pipe_pair closed(O_CLOEXEC);
  const std::string script = "test -e /proc/self/fd/" + std::to_string(kept.reader) +
                             " && ! test -e /proc/self/fd/" + std::to_string(closed.reader);
  std::thread([&] {
    expect_equal(describe(std::system(script.c_str())), "exited 0", "sh");
  }).join();
}

// What `ls /proc/self/fd` in a child lists: what this program leaves open for it, and ls's own.
void only_the_programs_descriptors_are_seen() {
  std::set<int> expected;
  for (int fd = 0; fd < 4096; ++fd) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags != -1 && (flags & FD_CLOEXEC) == 0) expected.insert(fd);
  }
  int directory = 0;
  while (expected.count(directory) == 1)
    ++directory;
  expected.insert(directory);
  std::thread([&expected] {
    FILE* stream = popen("ls /proc/self/fd", "r");
    std::set<int> seen;
    char line[64] = {};
    while (std::fgets(line, sizeof line, stream) != nullptr)
      seen.insert(std::atoi(line));
    expect_equal(describe(pclose(stream)), "exited 0", "ls");
    expect(seen == expected, "the child sees only the program's descriptors");
  }).join();
}

const checks registered{
    {"fork_and_exec", fork_and_exec},
    {"vfork_and_exec", vfork_and_exec},
    {"exec_of_nothing", exec_of_nothing},
    {"spawn_with_actions", spawn_with_actions},
    {"spawn_with_mask_and_defaults", spawn_with_mask_and_defaults},
    {"popen_and_pclose", popen_and_pclose},
    {"system_in_threads", system_in_threads},
    {"descriptors_across_exec", descriptors_across_exec},
    {"only_the_programs_descriptors_are_seen", only_the_programs_descriptors_are_seen},
};

} // namespace

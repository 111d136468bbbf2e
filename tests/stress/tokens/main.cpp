// SPDX-License-Identifier: BSL-1.0
//
// tokens [--seconds S] [--seed N] [--threads N] [--patience S] [--fault drop|copy|stray|linger]:
// threads hand tokens to each other, by mutexes and condition variables, semaphores, pipes, UNIX
// sockets and barriers, in rings and random graphs. Each token keeps a checksum of its path, and
// each thread counts; in the end every hop of every token must have been counted, once, where it
// was due. Prints the seed first, and how many tokens two threads hand to and fro in a second, for
// information. A second process, which has one thread, sees to it that all goes on.
#include "tests/stress/tokens/crowd.hpp"
#include "tests/stress/tokens/watch.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

namespace {

using namespace tokens;

constexpr int skipped = 77; // Meson's word for it
constexpr std::uint64_t hand_overs = 10'000;
constexpr long kib_a_thread = 20; // twice what one takes under weft
constexpr int fewest_threads = 20;

struct options {
  double seconds = 10;
  double patience = 30;
  int threads = 2000;
  fault wanted = fault::none;
};

/// The number behind `what` in a file like /proc/meminfo; 0 if there is none.
long number(const char* file, const std::string& what) {
  std::ifstream lines(file);
  for (std::string word; lines >> word;)
    if (long value = 0; word == what && lines >> value) return value;
  return 0;
}

/// How much memory is free, in KiB; a control group may have less than the machine.
long kib_allowed() {
  const long available = number("/proc/meminfo", "MemAvailable:");
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  long most = 0;
  if (!(limit >> most)) return available;
  return std::min(available, (most - number("/sys/fs/cgroup/memory.stat", "anon")) / 1024);
}

int descriptors_allowed() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 20'000));
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  const int kept = 256; // for all else
  return std::max(0, static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1'000'000)) - kept);
}

std::uint64_t sum(const std::vector<std::uint64_t>& counts) {
  std::uint64_t all = 0;
  for (const std::uint64_t count : counts)
    all += count;
  return all;
}

std::string listed(const std::vector<std::string>& mistakes) {
  constexpr std::size_t most = 20;
  std::string list = std::to_string(mistakes.size()) + " mistakes:";
  for (std::size_t i = 0; i < std::min(mistakes.size(), most); ++i)
    list += "\n  " + mistakes[i];
  return list;
}

void report_crowd(const plan& all, const outcome& result) {
  std::uint64_t by_kind[kinds] = {};
  for (std::size_t i = 0; i < all.ways.size(); ++i)
    by_kind[static_cast<int>(all.ways[i])] += result.hops[i];
  std::printf("tokens: %d threads, %d tokens: %llu hops in %.1f s, %.0f a second:", all.threads(),
              all.tokens, static_cast<unsigned long long>(sum(result.hops)), result.seconds,
              static_cast<double>(sum(result.hops)) / result.seconds);
  for (int i = 0; i < kinds; ++i)
    std::printf(" %s %.0f", name(static_cast<kind>(i)),
                static_cast<double>(by_kind[i]) / result.seconds);
  std::printf("; %ld MiB\n", number("/proc/self/status", "VmHWM:") / 1024);
}

[[noreturn]] void perform(board& shown, const std::vector<plan>& stages, const options& wanted) {
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const plan& all = stages[i];
    const bool last = i + 1 == stages.size();
    begin_stage(shown, static_cast<int>(i), std::max(all.threads(), all.tokens));
    const outcome result = play(shown, all, wanted.seconds, last ? wanted.wanted : fault::none);
    if (!result.mistakes.empty()) fail(listed(result.mistakes));
    if (last)
      report_crowd(all, result);
    else
      std::printf("tokens: %llu hand-overs by %s between two threads: %.0f a second\n",
                  static_cast<unsigned long long>(sum(result.hops)), name(all.ways.front()),
                  static_cast<double>(sum(result.hops)) / result.seconds);
    std::fflush(stdout);
  }
  _exit(0);
}

[[noreturn]] void usage() {
  std::fprintf(stderr, "usage: tokens [--seconds S] [--seed N] [--threads N] [--patience S] "
                       "[--fault drop|copy|stray|linger]\n");
  std::exit(2);
}

options read_options(int argc, char** argv) {
  options wanted;
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    if (i + 1 == argc) usage();
    const std::string value = argv[i + 1];
    if (option == "--seed")
      seed = std::strtoull(value.c_str(), nullptr, 10);
    else if (option == "--seconds")
      wanted.seconds = std::atof(value.c_str());
    else if (option == "--patience")
      wanted.patience = std::atof(value.c_str());
    else if (option == "--threads")
      wanted.threads = std::max(fewest_threads, std::atoi(value.c_str()));
    else if (option == "--fault" && value == "drop")
      wanted.wanted = fault::drop;
    else if (option == "--fault" && value == "copy")
      wanted.wanted = fault::copy;
    else if (option == "--fault" && value == "stray")
      wanted.wanted = fault::stray;
    else if (option == "--fault" && value == "linger")
      wanted.wanted = fault::linger;
    else
      usage();
  }
  return wanted;
}

} // namespace

int main(int argc, char** argv) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  seed = static_cast<std::uint64_t>(now.tv_sec * 1'000'000'000 + now.tv_nsec) % 1'000'000'007;
  const options wanted = read_options(argc, argv);
  std::printf("tokens: seed %llu, %d threads, %g s\n", static_cast<unsigned long long>(seed),
              wanted.threads, wanted.seconds);
  const long needed = wanted.threads * kib_a_thread;
  if (const long allowed = kib_allowed(); allowed < needed) {
    std::printf("tokens: skipped: %ld MiB of memory are free, and %ld needed\n", allowed / 1024,
                needed / 1024);
    return skipped;
  }
  std::vector<plan> stages;
  for (int i = 0; i < kinds; ++i)
    stages.push_back(pair(seed, static_cast<kind>(i), hand_overs));
  stages.push_back(crowd(seed, wanted.threads, descriptors_allowed()));
  std::fflush(stdout);

  board& shown = make_board(std::max(stages.back().threads(), stages.back().tokens));
  const pid_t performer = fork();
  if (performer < 0) return 4;
  if (performer == 0) perform(shown, stages, wanted);
  return watch(performer, shown, stages, wanted.patience);
}

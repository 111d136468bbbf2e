// SPDX-License-Identifier: BSL-1.0
//
// soak [--seed N] [--seconds S] [--scene NAME] [--calm]: plays random scenes at once, under a storm
// of signals unless it is to be calm, until the time is over. Prints the seed first. A second
// process, which has one thread and so needs nothing of weft's, sees to it that it goes on.
#include "tests/stress/soak/scene.hpp"

#include "tests/stress/end_stuck.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <string>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

using namespace soak;

constexpr int longest_round = 90; // seconds; the machine may be loaded

std::uint64_t seed = 0;
std::atomic<unsigned> round_number{0};
char playing[512];

std::atomic<long> alarms{0};
void on_alarm(int) {
  alarms.fetch_add(1, std::memory_order_relaxed);
}

void storm(int microseconds) {
  const itimerval interval{{0, microseconds}, {0, microseconds}};
  setitimer(ITIMER_REAL, &interval, nullptr);
}

void play_round(chance c, const std::vector<scenes::entry>& choice, bool calm) {
  const int at_once = c.between(1, 6);
  std::vector<scenes::entry> cast;
  playing[0] = 0;
  for (int i = 0; i < at_once; ++i) {
    cast.push_back(choice[c.next() % choice.size()]);
    std::strncat(playing, " ", sizeof playing - std::strlen(playing) - 1);
    std::strncat(playing, cast.back().name, sizeof playing - std::strlen(playing) - 1);
  }
  const bool stormy = c.one_in(2);
  const int interval = c.between(200, 5000);
  if (stormy && !calm) storm(interval);
  {
    std::vector<thread> players;
    for (const auto& each : cast) {
      auto own = c.split();
      players.emplace_back([each, own]() mutable { each.play(own); });
    }
  }
  storm(0);
}

[[noreturn]] void perform(int progress, double seconds, const std::string& only, bool calm) {
  struct sigaction action {};
  action.sa_handler = on_alarm;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);

  std::vector<scenes::entry> choice;
  for (const auto& each : all_scenes())
    if (only.empty() || only == each.name) choice.push_back(each);
  if (choice.empty()) {
    std::fprintf(stderr, "soak: no such scene: %s\n", only.c_str());
    _exit(2);
  }
  chance c(seed);
  timespec begun{};
  clock_gettime(CLOCK_MONOTONIC, &begun);
  for (;;) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double passed = static_cast<double>(now.tv_sec - begun.tv_sec) +
                          static_cast<double>(now.tv_nsec - begun.tv_nsec) / 1e9;
    if (passed >= seconds) break;
    play_round(c.split(), choice, calm);
    ++round_number;
    write_all(progress, ".", 1);
  }
  std::printf("soak: %u rounds, %ld alarms\n", round_number.load(), alarms.load());
  std::fflush(stdout);
  _exit(0);
}

/// Passes the performance's way to end on. A round that takes too long is its end.
int watch(pid_t performer, int progress) {
  for (;;) {
    pollfd wanted{progress, POLLIN, 0};
    const int ready = uninterrupted([&] { return poll(&wanted, 1, longest_round * 1000); });
    char bytes[64];
    if (ready > 0 && uninterrupted([&] { return read(progress, bytes, sizeof bytes); }) > 0)
      continue;
    if (ready == 0) {
      std::fprintf(stderr, "soak: seed %llu: no round ended for %d s\n",
                   static_cast<unsigned long long>(seed), longest_round);
      stress::end_stuck(performer);
    }
    int status = 0;
    uninterrupted([&] { return waitpid(performer, &status, 0); });
    if (WIFSIGNALED(status))
      std::fprintf(stderr, "soak: seed %llu: ended by signal %d\n",
                   static_cast<unsigned long long>(seed), WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  }
}

} // namespace

void soak::fail(std::string_view what, long actual, long expected, std::source_location where) {
  char line[1024];
  const int length = std::snprintf(
      line, sizeof line, "soak: seed %llu, round %u (%s ): %s:%u: %.*s: %ld instead of %ld\n",
      static_cast<unsigned long long>(seed), round_number.load(), playing, where.file_name(),
      static_cast<unsigned>(where.line()), static_cast<int>(what.size()), what.data(), actual,
      expected);
  if (write(2, line, static_cast<std::size_t>(length)) < 0) _exit(4);
  _exit(3);
}

int main(int argc, char** argv) {
  double seconds = 10;
  bool calm = false;
  std::string only;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  seed = static_cast<std::uint64_t>(now.tv_sec * 1'000'000'000 + now.tv_nsec) % 1'000'000'007;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (option == "--calm")
      calm = true;
    else if (++i; option == "--seed")
      seed = std::strtoull(value, nullptr, 10);
    else if (option == "--seconds")
      seconds = std::atof(value);
    else if (option == "--scene")
      only = value;
    else {
      std::fprintf(stderr, "usage: soak [--seed N] [--seconds S] [--scene NAME] [--calm]\n");
      return 2;
    }
  }
  std::printf("soak: seed %llu, %g s\n", static_cast<unsigned long long>(seed), seconds);
  std::fflush(stdout);

  int progress[2];
  if (pipe(progress) != 0) return 4;
  const pid_t performer = fork();
  if (performer < 0) return 4;
  if (performer == 0) {
    close(progress[0]);
    perform(progress[1], seconds, only, calm);
  }
  close(progress[1]);
  return watch(performer, progress[0]);
}

// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/tokens/watch.hpp"

#include "tests/stress/end_stuck.hpp"

#include "tests/stress/tokens/clock.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

namespace tokens {
namespace {

constexpr std::size_t most_told = 20;

class watcher {
 public:
  watcher(const board& shown, const std::vector<plan>& stages, double patience)
      : shown_(shown), stages_(stages), patience_(patience) {}

  /// True while all goes on.
  bool look() {
    if (shown_.stage != stage_) {
      stage_ = shown_.stage;
      tokens_.assign(static_cast<std::size_t>(all().tokens), {0, now()});
    }
    const long done = shown_.stage * 1'000'000'000L + static_cast<long>(shown_.now.load()) +
                      shown_.made + shown_.begun + shown_.joined + shown_.checked + shown_.naps;
    // While the main thread waits for tokens, each of them is looked after below.
    const bool tokens_travel =
        (shown_.now == phase::gathering || (shown_.now == phase::running && all().hops != 0)) &&
        shown_.home < all().tokens;
    if (done != done_ || tokens_travel) {
      done_ = done;
      done_at_ = now();
    }
    stuck_ = 0;
    for (int i = 0; i < all().tokens; ++i)
      if (!moved(i)) ++stuck_;
    return stuck_ == 0 && now() - done_at_ < patience_;
  }

  void tell() const {
    std::fprintf(stderr,
                 "tokens: seed %llu: no progress for %g s while %s: %ld of %d threads made, %ld "
                 "begun, %ld joined; %ld of %d tokens home, %d do not move\n",
                 static_cast<unsigned long long>(seed), patience_, name(shown_.now.load()),
                 shown_.made.load(), all().threads(), shown_.begun.load(), shown_.joined.load(),
                 shown_.home.load(), all().tokens, stuck_);
    std::vector<int> travelling;
    for (int i = 0; i < all().tokens; ++i)
      if (shown_.tokens[i].state == token_record::travelling) travelling.push_back(i);
    std::stable_sort(travelling.begin(), travelling.end(),
                     [this](int a, int b) { return last(a).at < last(b).at; });
    if (travelling.size() > most_told) travelling.resize(most_told);
    for (const int i : travelling) {
      const token_record& token = shown_.tokens[i];
      const int to = token.given_to;
      std::fprintf(stderr,
                   "  token %d, after %llu hops, still for %.1f s: taken by %d, handed to %d: %s\n",
                   i, static_cast<unsigned long long>(token.hops.load()), now() - last(i).at,
                   token.taken_by.load(), to, to < 0 ? "nobody" : all().place(to).c_str());
    }
  }

 private:
  struct seen {
    std::uint64_t hops;
    double at;
  };

  [[nodiscard]] const plan& all() const { return stages_[static_cast<std::size_t>(stage_)]; }

  bool moved(int i) {
    seen& before = tokens_[static_cast<std::size_t>(i)];
    const token_record& token = shown_.tokens[i];
    if (token.state != token_record::travelling || token.hops != before.hops) {
      before = {token.hops, now()};
      return true;
    }
    return now() - before.at < patience_;
  }
  [[nodiscard]] const seen& last(int i) const { return tokens_[static_cast<std::size_t>(i)]; }

  const board& shown_;
  const std::vector<plan>& stages_;
  const double patience_;
  int stage_ = -1;
  std::vector<seen> tokens_;
  long done_ = -1;
  double done_at_ = 0;
  int stuck_ = 0;
};

} // namespace

int watch(pid_t performer, const board& shown, const std::vector<plan>& stages, double patience) {
  watcher eyes(shown, stages, patience);
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(performer, &status, WNOHANG);
    if (ended == performer) {
      if (WIFSIGNALED(status))
        std::fprintf(stderr, "tokens: seed %llu: ended by signal %d\n",
                     static_cast<unsigned long long>(seed), WTERMSIG(status));
      return WIFEXITED(status) ? WEXITSTATUS(status) : 5;
    }
    if (!eyes.look()) break;
    usleep(200'000);
  }
  eyes.tell();
  stress::end_stuck(performer);
  while (waitpid(performer, nullptr, 0) < 0 && errno == EINTR)
    ;
  return 3;
}

} // namespace tokens

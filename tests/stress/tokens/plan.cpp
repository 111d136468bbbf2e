// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/tokens/plan.hpp"

#include "tests/stress/chance.hpp"

#include <algorithm>

namespace tokens {
namespace {

using stress::chance;
using stress::mixed;

constexpr std::uint64_t out_edges = 5;
/// A pipe may be as small as a page, and nobody who hands a token on may have to wait.
constexpr int most_tokens = 100;

std::uint64_t below(std::uint64_t number, int limit) noexcept {
  return number % static_cast<std::uint64_t>(limit);
}

/// Draws groups until all threads have one.
class drawing {
 public:
  drawing(std::uint64_t seed, int threads, int descriptors)
      : chance_(seed), threads_(threads),
        by_descriptors_(std::min({threads / 4, descriptors / 2, 6000})),
        at_barriers_(std::max(2, threads / 20)) {}

  plan draw() {
    for (const shape form : {shape::ring, shape::graph})
      for (const kind way : {kind::condition, kind::semaphore, kind::pipe, kind::socket})
        add(form, way, false);
    add(shape::barrier, kind::barrier, false);
    while (left() > 0) {
      const auto form = static_cast<shape>(chance_.between(0, chance_.one_in(10) ? 2 : 1));
      const auto way = static_cast<kind>(chance_.between(0, 3));
      add(form, form == shape::barrier ? kind::barrier : way, chance_.one_in(3));
    }
    return std::move(plan_);
  }

 private:
  [[nodiscard]] int left() const { return threads_ - plan_.threads(); }

  /// From 2 on; small numbers are as likely as large ones.
  int some(int most) {
    int limit = 2;
    for (int i = chance_.between(0, 11); i > 0; --i)
      limit *= 2;
    return chance_.between(2, std::min(limit, most));
  }

  void add(shape form, kind way, bool various) {
    int most = std::min(left(), std::max(2, threads_ / 10));
    if (form == shape::barrier) most = std::min(most, at_barriers_);
    const bool descriptors = !various && (way == kind::pipe || way == kind::socket);
    if (descriptors) most = std::min({most, by_descriptors_, 400});
    if (most < 2) return;
    int size = some(most);
    if (left() - size == 1) ++size; // who has only itself to hand tokens to never waits
    int tokens = chance_.between(1, std::max(1, size / 4));
    if (descriptors) tokens += size / 4; // there are fewer such threads: busier ones
    tokens = form == shape::barrier ? size : std::min(tokens, most_tokens);
    plan_.groups.push_back({form, chance_.next(), plan_.threads(), size, plan_.tokens, tokens});
    plan_.tokens += tokens;
    for (int i = 0; i < size; ++i)
      plan_.ways.push_back(count(various && form != shape::barrier ? any_way() : way));
  }

  kind any_way() { return static_cast<kind>(chance_.between(0, chance_.one_in(4) ? 3 : 1)); }

  kind count(kind way) {
    if (way == kind::barrier) --at_barriers_;
    if (way != kind::pipe && way != kind::socket) return way;
    if (by_descriptors_ == 0) return way == kind::pipe ? kind::condition : kind::semaphore;
    --by_descriptors_;
    return way;
  }

  chance chance_;
  int threads_;
  int by_descriptors_; // threads that may still have two descriptors
  int at_barriers_;
  plan plan_;
};

} // namespace

const char* name(kind way) noexcept {
  switch (way) {
  case kind::condition:
    return "condition";
  case kind::semaphore:
    return "semaphore";
  case kind::pipe:
    return "pipe";
  case kind::socket:
    return "socket";
  case kind::barrier:
    return "barrier";
  }
  return "?";
}

std::uint64_t extended(std::uint64_t path, int at) noexcept {
  return mixed(path + static_cast<std::uint64_t>(at) + 1);
}

int group::start(int token) const noexcept {
  if (form == shape::barrier) return token;
  return static_cast<int>(below(mixed(seed + static_cast<std::uint64_t>(token)), size));
}

int group::next(int at, std::uint64_t path, std::uint64_t hop) const noexcept {
  const auto from = static_cast<std::uint64_t>(at);
  switch (form) {
  case shape::ring:
    return (at + 1) % size;
  case shape::barrier:
    return static_cast<int>(below(from + below(mixed(seed + hop), size), size));
  case shape::graph:
    break;
  }
  const std::uint64_t edge = path % out_edges;
  if (edge == 0) return (at + 1) % size; // whoever is in a graph can be reached
  return static_cast<int>(below(mixed(seed + from * out_edges + edge), size));
}

const group& plan::of_thread(int thread) const noexcept {
  return *std::prev(std::upper_bound(groups.begin(), groups.end(), thread,
                                     [](int n, const group& g) { return n < g.first; }));
}
const group& plan::of_token(int token) const noexcept {
  return *std::prev(std::upper_bound(groups.begin(), groups.end(), token,
                                     [](int n, const group& g) { return n < g.first_token; }));
}

std::string plan::place(int thread) const {
  const group& g = of_thread(thread);
  const char* const forms[] = {"a ring", "a graph", "a barrier"};
  return "thread " + std::to_string(thread - g.first) + " of " + std::to_string(g.size) +
         " in group " + std::to_string(&g - groups.data()) + ", " +
         forms[static_cast<int>(g.form)] + ", by " + name(ways[static_cast<std::size_t>(thread)]);
}

plan crowd(std::uint64_t seed, int threads, int descriptors) {
  return drawing(seed, threads, descriptors).draw();
}

plan pair(std::uint64_t seed, kind way, std::uint64_t hand_overs) {
  const bool barrier = way == kind::barrier;
  plan made;
  made.tokens = barrier ? 2 : 1;
  made.groups = {{barrier ? shape::barrier : shape::ring, seed, 0, 2, 0, made.tokens}};
  made.ways = {way, way};
  made.hops = barrier ? hand_overs / 2 : hand_overs;
  return made;
}

} // namespace tokens

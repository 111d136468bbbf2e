// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/tokens/check.hpp"

namespace tokens {
namespace {

struct journey {
  int end;
  std::uint64_t path;
};

/// `hops` of them, each counted where it was due.
journey travel(const group& g, int token, std::uint64_t hops, std::vector<std::uint64_t>& counts) {
  int at = g.start(token - g.first_token);
  std::uint64_t path = 0;
  for (std::uint64_t hop = 1;; ++hop) {
    ++counts[static_cast<std::size_t>(g.first + at)];
    path = extended(path, at);
    if (hop >= hops) return {g.first + at, path};
    at = g.next(at, path, hop);
  }
}

} // namespace

void go_again(board& shown, const plan& all, const std::vector<std::uint64_t>& hops,
              std::vector<std::string>& mistakes) {
  std::vector<std::uint64_t> expected(all.ways.size());
  for (int token = 0; token < all.tokens; ++token) {
    const token_record& record = shown.tokens[token];
    const std::uint64_t made = record.hops;
    const journey due = travel(all.of_token(token), token, made, expected);
    const std::string name = "token " + std::to_string(token);
    if (due.path != record.path || due.end != record.taken_by)
      mistakes.push_back(name + " did not go its way: after " + std::to_string(made) + " hops at " +
                         all.place(record.taken_by) + ", not at " + all.place(due.end));
    if (all.hops != 0 && made != all.hops)
      mistakes.push_back(name + " made " + std::to_string(made) + " hops, not " +
                         std::to_string(all.hops));
    ++shown.checked;
  }
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (hops[i] != expected[i] || shown.hops[i] != expected[i])
      mistakes.push_back(all.place(static_cast<int>(i)) + " counted " + std::to_string(hops[i]) +
                         " and showed " + std::to_string(shown.hops[i]) + " of " +
                         std::to_string(expected[i]) + " hops");
}

} // namespace tokens

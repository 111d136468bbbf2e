// SPDX-License-Identifier: BSL-1.0
#pragma once

// Who hands tokens to whom, and how: drawn from the seed before anything runs, so that the way of
// each token can be gone again afterwards, hop by hop, and compared.

#include <cstdint>
#include <string>
#include <vector>

namespace tokens {

/// How a thread waits for what is handed to it.
enum class kind : std::uint8_t { condition, semaphore, pipe, socket, barrier };
constexpr int kinds = 5;
const char* name(kind) noexcept;

enum class shape : std::uint8_t { ring, graph, barrier };

/// Threads that hand tokens to each other. Of a barrier's, each has one token at any time, and all
/// hand theirs on at once.
struct group {
  shape form;
  std::uint64_t seed;
  int first;       // of its threads, among those of the plan
  int size;        // threads
  int first_token; // among those of the plan
  int tokens;

  /// Where `token`, counted from 0 in the group, begins.
  [[nodiscard]] int start(int token) const noexcept;
  /// To whom `at`, counted from 0 in the group, hands a token after its `hop`th hop.
  [[nodiscard]] int next(int at, std::uint64_t path, std::uint64_t hop) const noexcept;
};

struct plan {
  std::vector<group> groups;
  std::vector<kind> ways; // of each thread
  int tokens = 0;
  std::uint64_t hops = 0; // after which a token comes home; 0: when time is over

  [[nodiscard]] int threads() const noexcept { return static_cast<int>(ways.size()); }
  [[nodiscard]] const group& of_thread(int thread) const noexcept;
  [[nodiscard]] const group& of_token(int token) const noexcept;
  /// "thread 7 of 120 in group 3, a ring, by pipe".
  [[nodiscard]] std::string place(int thread) const;
};

/// The checksum of a path that comes by `at`.
std::uint64_t extended(std::uint64_t path, int at) noexcept;

/// Rings, graphs and barriers of all kinds with `threads` threads together.
plan crowd(std::uint64_t seed, int threads, int descriptors);
/// Two threads that hand one token to and fro (or each its own, by a barrier).
plan pair(std::uint64_t seed, kind way, std::uint64_t hand_overs);

} // namespace tokens

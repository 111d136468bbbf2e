// SPDX-License-Identifier: BSL-1.0
#pragma once

// What the performing process and the one that watches it both see.

#include <atomic>
#include <cstdint>
#include <string_view>

namespace tokens {

enum class phase : std::uint8_t { idle, making, running, gathering, joining, checking };
const char* name(phase) noexcept;

/// Where a token is, by those who have it.
struct token_record {
  enum state : int { nowhere, travelling, home };
  std::atomic<int> state{nowhere};
  std::atomic<int> taken_by{-1}; // the last thread that took it
  std::atomic<int> given_to{-1}; // the last thread to which it was handed
  std::atomic<std::uint64_t> hops{0};
  std::uint64_t path = 0; // valid at home
};

struct board {
  std::atomic<int> stage{0};
  std::atomic<phase> now{phase::idle};
  std::atomic<long> made{0}, begun{0}, joined{0}, home{0}, checked{0};
  std::atomic<long> naps{0}; // of the main thread, while the others are at work
  token_record* tokens = nullptr;
  std::atomic<std::uint64_t>* hops = nullptr; // of each thread
};

/// In memory that a child shares; room for `threads` threads and as many tokens.
board& make_board(int threads);

/// For the next stage. Whoever watches sees the stage's number first.
void begin_stage(board& shown, int stage, int threads);

/// What is wrong, with the seed to repeat it by; the first to say so ends the process.
[[noreturn]] void fail(std::string_view what);
/// Said by `fail`.
extern std::uint64_t seed;

} // namespace tokens

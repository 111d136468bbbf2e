// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/tokens/board.hpp"

#include <new>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace tokens {

std::uint64_t seed = 0;

const char* name(phase now) noexcept {
  const char* const names[] = {"beginning",        "making threads",  "running",
                               "gathering tokens", "joining threads", "checking"};
  return names[static_cast<int>(now)];
}

board& make_board(int threads) {
  const auto room = static_cast<std::size_t>(threads);
  const std::size_t size =
      sizeof(board) + room * (sizeof(token_record) + sizeof(std::atomic<std::uint64_t>));
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("no memory for the board");
  auto* shown = new (memory) board;
  shown->tokens = new (shown + 1) token_record[room];
  shown->hops = new (shown->tokens + room) std::atomic<std::uint64_t>[room] {};
  return *shown;
}

void begin_stage(board& shown, int stage, int threads) {
  shown.now = phase::idle;
  shown.stage = stage;
  for (int i = 0; i < threads; ++i) {
    token_record& token = shown.tokens[i];
    token.state = token_record::nowhere;
    token.taken_by = token.given_to = -1;
    token.hops = 0;
    shown.hops[i] = 0;
  }
  for (std::atomic<long>* count :
       {&shown.made, &shown.begun, &shown.joined, &shown.home, &shown.checked, &shown.naps})
    *count = 0;
}

void fail(std::string_view what) {
  const std::string line = "tokens: seed " + std::to_string(seed) + ": " + std::string(what) + "\n";
  if (write(2, line.data(), line.size()) < 0) _exit(4);
  _exit(3);
}

} // namespace tokens

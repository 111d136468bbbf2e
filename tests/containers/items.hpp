// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <utility>

/// Items that give containers trouble.
namespace weft::test {

struct broken {};

/// The move after `sound_moves` of them throws, and leaves the item as it was.
struct brittle {
  explicit brittle(int v, int fails_at = -1) : value(v), sound_moves(fails_at) {}
  brittle(brittle&& other) : value(other.value), sound_moves(other.sound_moves) {
    if (other.sound_moves == 0) throw broken();
    if (sound_moves > 0) --sound_moves;
    other.value = -1;
  }
  brittle& operator=(brittle&&) = delete;
  ~brittle() = default;

  int value;
  int sound_moves;
};

struct first_less {
  template <class Pair>
  bool operator()(const Pair& a, const Pair& b) const {
    return a.first < b.first;
  }
};

} // namespace weft::test

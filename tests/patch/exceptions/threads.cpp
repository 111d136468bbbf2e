// SPDX-License-Identifier: BSL-1.0
//
// Played by plain threads, without a word about weft.
#include "thread_cast.hpp"

int main() {
  thread_cast players;
  scenes::play_all(players);
}

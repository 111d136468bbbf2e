// SPDX-License-Identifier: BSL-1.0
//
// Played by fibers of the initial thread. Also the library that `opener` opens.
#include "fiber_cast.hpp"

extern "C" [[gnu::visibility("default")]] void play_with_fibers() {
  fiber_cast players;
  scenes::play_all(players);
}

#ifndef WITHOUT_MAIN
int main() {
  play_with_fibers();
}
#endif

// SPDX-License-Identifier: BSL-1.0
// main returns while fibers wait and others are ready: they are abandoned, and the process ends
// at once with main's value.
#include <cstdlib>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

int main() {
  auto body = [] {
    try {
      while (true)
        weft::sleep(1h);
    } catch (...) {
      std::_Exit(1);
    }
  };
  (void)weft::spawn(body);
  weft::yield();
  (void)weft::spawn(body);
  static auto kept = weft::spawn(body);
  (void)weft::spawn_later(1h, body);
  weft::call_later(1h, [] {});
  return 0;
}

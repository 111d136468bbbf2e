// SPDX-License-Identifier: BSL-1.0
//
// Fibers for a debugger to find. With an argument it aborts when they are there.
#include <chrono>
#include <cstdlib>
#include <thread>
#include <weft/event.hpp>
#include <weft/sleep.hpp>
#include <weft/spawn.hpp>
#include <weft/spawn_on.hpp>

namespace {

weft::event over;

[[gnu::noinline]] void wait_for_event() {
  over.wait();
  asm volatile("");
}

[[gnu::noinline]] void outer_function() {
  wait_for_event();
  asm volatile("");
}

} // namespace

extern "C" [[gnu::noinline]] void all_are_there(bool abort_here) {
  if (abort_here) std::abort();
  asm volatile("");
}

int main(int argc, char**) {
  auto first = weft::spawn({.name = "first"}, outer_function);
  auto second = weft::spawn({.name = "second"}, outer_function);
  weft::task<void> sent; // by another thread, so that its block is not the hub's
  std::thread([&, here = weft::this_hub_handle()] {
    sent = weft::spawn_on(here, {.name = "sent"}, outer_function);
  }).join();
  auto looker = weft::spawn({.name = "looker"}, [argc] {
    weft::sleep(std::chrono::milliseconds(1)); // so that the hub looks for what came
    all_are_there(argc > 1);
    over.set();
  });
  looker.join();
  first.join();
  second.join();
  sent.join();
}

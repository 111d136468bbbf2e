// SPDX-License-Identifier: BSL-1.0
// Running one thing to its end, from code that is no fiber; what else is under way stays pending
// and goes on the next time.
#include <functional>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {
namespace {

/// asyncio's loop.run_until_complete. (weft::run is asyncio.run: it ends what is left.)
template <class F>
auto run_sync(F&& callable) {
  return weft::spawn(std::forward<F>(callable)).get();
}

} // namespace

void run_until_complete(const stage& on) {
  const auto other = weft::spawn([&] {
    weft::sleep(4 * on.second);
    on.out << "the other task\n";
  });
  const auto test = [&] {
    const auto time0 = clock::now();
    weft::sleep(3 * on.second);
    return on.since(time0);
  };
  on.out << run_sync(test) << '\n';
  on.out << (other.done() ? "done\n" : "pending\n");
  on.out << run_sync(test) << '\n';
  on.out << (other.done() ? "done\n" : "pending\n");
}

} // namespace tour

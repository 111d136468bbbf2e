// SPDX-License-Identifier: BSL-1.0
// The first to be done comes first.
#include <vector>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {

void as_completed(const stage& on) {
  const auto foo = [&](int seconds) {
    weft::sleep(seconds * on.second);
    return seconds;
  };
  weft::run([&] {
    const std::vector fs{weft::spawn(foo, 10), weft::spawn(foo, 5), weft::spawn(foo, 1)};
    auto time0 = clock::now();
    for (const auto& f : weft::as_completed(fs)) {
      const int result = f.get();
      on.out << result << " delta " << on.since(time0) << '\n';
      time0 = clock::now();
    }
  });
}

} // namespace tour

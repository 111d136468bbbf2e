// SPDX-License-Identifier: BSL-1.0
// At most three at a time.
#include <mutex>
#include <vector>

#include <weft/weft.hpp>

#include "tests/tour/programs.hpp"

namespace tour {

void semaphore(const stage& on) {
  const auto time0 = clock::now();
  weft::run([&] {
    weft::semaphore semaphore(3);
    const auto foo = [&] {
      const std::lock_guard permit(semaphore); // with (await semaphore):
      weft::sleep(2 * on.second);
      on.out << "time delta: " << on.since(time0) << '\n';
    };
    std::vector<weft::task<void>> fs;
    for (int i = 0; i < 5; ++i)
      fs.push_back(weft::spawn(foo));
    for (const auto& f : weft::as_completed(fs))
      f.get();
  });
}

} // namespace tour

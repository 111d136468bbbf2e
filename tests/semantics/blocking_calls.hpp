// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weft/detail/blocking_call.hpp"
#include "weft/weft.hpp"

/// Every call of weft that may wait, in a form in which it waits for ever.
namespace blocking {

/// A world in which a call waits for ever, and the call.
struct blocked {
  std::shared_ptr<void> world;
  std::function<void()> forever;
  std::function<bool(weft::deadline)> limited; // false: its time was over. Null: it takes no limit
};

/// One way to make a call.
struct variant {
  weft::detail::blocking_call call;
  std::string name;
  std::function<blocked()> prepare; // in the thread's own fiber
  bool takes_limit = true;
  bool blocks_threads = true; // false: on a thread without a hub there is nothing to wait for
};

/// All ways to make `call`: at least one.
std::vector<variant> variants_of(weft::detail::blocking_call call);
/// Those of all calls.
std::vector<variant> all_variants();

/// `forever(world)` and `limited(world, limit)`, which may be null, in a World made of nothing.
template <class World, class Forever, class Limited>
blocked in(Forever forever, Limited limited) {
  auto world = std::make_shared<World>();
  blocked b{world, [world, forever] { forever(*world); }, nullptr};
  if constexpr (!std::is_null_pointer_v<Limited>)
    b.limited = [world, limited](weft::deadline limit) { return limited(*world, limit); };
  return b;
}

struct nothing {};

/// A task that never ends by itself.
class endless {
 public:
  endless() = default;
  endless(const endless&) = delete;
  endless& operator=(const endless&) = delete;
  ~endless() { task.kill(); }

  weft::task<int> task = weft::spawn([] {
    weft::sleep(std::chrono::hours(1));
    return 1;
  });
};

/// A task that refuses all requests to end, for as long as this exists.
class stubborn {
 public:
  stubborn() = default;
  stubborn(const stubborn&) = delete;
  stubborn& operator=(const stubborn&) = delete;
  ~stubborn() {
    *refusing_ = false;
    task.kill();
  }

 private:
  std::shared_ptr<bool> refusing_ = std::make_shared<bool>(true);

 public:
  weft::task<int> task = weft::spawn([refusing = refusing_] {
    while (true) {
      try {
        weft::sleep(std::chrono::hours(1));
      } catch (const weft::cancelled&) {
        if (!*refusing) throw;
      }
    }
    return 1;
  });
};

// By family; null where the call belongs to another.
std::vector<variant> future_variants(weft::detail::blocking_call call);
std::vector<variant> several_variants(weft::detail::blocking_call call);
std::vector<variant> sync_variants(weft::detail::blocking_call call);
std::vector<variant> container_variants(weft::detail::blocking_call call);
std::vector<variant> pool_variants(weft::detail::blocking_call call);
std::vector<variant> thread_variants(weft::detail::blocking_call call);
std::vector<variant> transfer_variants(weft::detail::blocking_call call);
std::vector<variant> server_variants(weft::detail::blocking_call call);
std::vector<variant> system_variants(weft::detail::blocking_call call);

} // namespace blocking

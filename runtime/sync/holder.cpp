// SPDX-License-Identifier: BSL-1.0
#include "runtime/sync/holder.hpp"

#include <atomic>

namespace weft::detail {
namespace {

constexpr holder of_a_thread = holder{1} << 63; // fibers' numbers stay below
std::atomic<holder> last_thread{of_a_thread};
thread_local constinit holder this_thread = nobody;

} // namespace

holder thread_holder() noexcept {
  if (this_thread == nobody) this_thread = last_thread.fetch_add(1, std::memory_order_relaxed) + 1;
  return this_thread;
}

} // namespace weft::detail

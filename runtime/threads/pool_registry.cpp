// SPDX-License-Identifier: BSL-1.0
#include "runtime/threads/pool_registry.hpp"

#include <pthread.h>

#include <mutex>

#include "runtime/core/list.hpp"
#include "runtime/threads/pool_core.hpp"

namespace weft::detail {
namespace {

std::mutex registry_mutex;
core::list<pool_core> registry;

void before_fork() {
  registry_mutex.lock();
  registry.for_each([](pool_core& pool) { pool.lock_for_fork(); });
}
void after_fork_in_parent() {
  registry.for_each([](pool_core& pool) { pool.unlock_after_fork(); });
  registry_mutex.unlock();
}
void after_fork_in_child() {
  registry.for_each([](pool_core& pool) { pool.reset_after_fork(); });
  registry_mutex.unlock();
}

} // namespace

void register_pool(pool_core& pool) {
  // Later than the hubs' handlers, which are registered when the library is loaded: in the child
  // those come first, and futures can be cancelled.
  static const int once = pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child);
  static_cast<void>(once);
  const std::lock_guard held(registry_mutex);
  registry.push_back(pool);
}

void unregister_pool(pool_core& pool) noexcept {
  const std::lock_guard held(registry_mutex);
  pool.core::list_hook<>::unlink();
}

} // namespace weft::detail

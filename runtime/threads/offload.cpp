// SPDX-License-Identifier: BSL-1.0
#include "runtime/threads/offload.hpp"

#include <mutex>

#include "weft/detail/sync_lock.hpp"
#include "weft/detail/wait_list.hpp"

namespace weft::detail {
namespace {

/// On the stack of who waits for it.
struct offloaded final : pool_item {
  void run() noexcept override {
    function(argument);
    end_hub_of_this_thread();
  }
  void finished() noexcept override {
    waiter* w;
    {
      const std::lock_guard held(lock);
      done = true;
      w = waiting.empty() ? nullptr : waiting.take_front();
    }
    if (w) resume(*w);
  }
  void lost() noexcept override {} // so is its stack

  void (*function)(void*) noexcept = nullptr;
  void* argument = nullptr;
  sync_lock lock;
  wait_list waiting;
  bool done = false;
};

} // namespace

bool call_elsewhere(void (*call)(void*) noexcept, void* argument, std::int64_t until,
                    blocking_call name) {
  if (!this_hub) {
    call(argument);
    return true;
  }
  this_hub->switch_point();
  offloaded item;
  item.function = call;
  item.argument = argument;
  pool_core& pool = io_pool();
  pool.submit(item, core::never, name);

  std::unique_lock held(item.lock);
  if (item.done) return true;
  waiter self;
  item.waiting.push_back(self);
  const waited how = wait_in(held, item.waiting, self, until, name);
  if (how == waited::woken) return true;
  if (!item.done) {
    held.unlock();
    if (pool.withdraw(item)) {
      held.lock();
      return finish_wait(held, how);
    }
    held.lock();
  }
  if (!item.done) { // it began: it may refer to this stack
    waiter again;
    item.waiting.push_back(again);
    wait_in(held, item.waiting, again, core::never, name, false);
    held.lock();
  }
  finish_wait(held, how);
  return true;
}

} // namespace weft::detail

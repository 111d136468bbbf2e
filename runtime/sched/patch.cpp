// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/patch.hpp"

#include <dlfcn.h>

#include <atomic>

namespace weft::detail {

const weft_patch_table* patch_table() noexcept {
  using getter = const weft_patch_table* (*)();
  // Not looked up once and for all: the patch may come into the process later.
  static constinit std::atomic<getter> found{nullptr};
  getter get = found.load(std::memory_order_relaxed);
  if (!get) {
    get = reinterpret_cast<getter>(::dlsym(RTLD_DEFAULT, "weft_patch_get_table"));
    if (!get) return nullptr;
    found.store(get, std::memory_order_relaxed);
  }
  const weft_patch_table* table = get();
  return table && table->size >= sizeof(weft_patch_table) && table->is_active() ? table : nullptr;
}

} // namespace weft::detail

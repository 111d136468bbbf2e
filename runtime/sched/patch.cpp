// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/patch.hpp"

#include <dlfcn.h>

#include <atomic>

namespace weft::detail {

namespace {

using getter = const weft_patch_table* (*)();

/// Not looked up once and for all: the patch may come into the process later.
getter find_getter() noexcept {
  static constinit std::atomic<getter> found{nullptr};
  getter get = found.load(std::memory_order_relaxed);
  if (!get) {
    get = reinterpret_cast<getter>(::dlsym(RTLD_DEFAULT, "weft_patch_get_table"));
    found.store(get, std::memory_order_relaxed);
  }
  return get;
}

} // namespace

const void* patch_library() noexcept {
  Dl_info where;
  const getter get = find_getter();
  return get && ::dladdr(reinterpret_cast<const void*>(get), &where) != 0 ? where.dli_fbase
                                                                          : nullptr;
}

const char* why_not_patched() noexcept {
  const getter get = find_getter();
  const weft_patch_table* table = get ? get() : nullptr;
  return table && table->size >= sizeof(weft_patch_table) ? table->why_not()
                                                          : "its library is of another version";
}

const weft_patch_table* patch_table() noexcept {
  const getter get = find_getter();
  const weft_patch_table* table = get ? get() : nullptr;
  return table && table->size >= sizeof(weft_patch_table) && table->is_active() ? table : nullptr;
}

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <unwind.h>

namespace weft::patch::testing {

/// What libgcc's unwinder finds from here on.
struct trace {
  static constexpr int max = 64;
  std::uintptr_t pc[max];
  int count = 0;

  [[gnu::noinline]] static trace here() {
    trace t;
    _Unwind_Backtrace(
        [](_Unwind_Context* context, void* p) {
          auto& t = *static_cast<trace*>(p);
          if (t.count < max) t.pc[t.count++] = _Unwind_GetIP(context);
          return _URC_NO_REASON;
        },
        &t);
    return t;
  }

  [[nodiscard]] int find(std::uintptr_t begin, std::size_t size, int from = 0) const {
    for (int i = from; i < count; ++i)
      if (pc[i] >= begin && pc[i] < begin + size) return i;
    return -1;
  }
};

template <class F>
std::uintptr_t address(F* f) {
  return reinterpret_cast<std::uintptr_t>(f);
}

} // namespace weft::patch::testing

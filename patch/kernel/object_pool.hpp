// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/mman.h>

#include <new>

#include "runtime/core/sys.hpp"

namespace weft::patch {

/// Objects of one type from mapped pages, reused last in first out. Memory is never
/// given back: what a burst of threads needed, the next one will. Not synchronised.
template <class T>
class object_pool {
  union cell {
    cell* next;
    alignas(T) unsigned char bytes[sizeof(T)];
  };
  static constexpr std::size_t block_size = 64 * 1024;

 public:
  /// A new T, or null if there is no memory.
  template <class... A>
  [[nodiscard]] T* make(A... arguments) noexcept {
    if (!free_ && !grow()) return nullptr;
    cell* c = free_;
    free_ = c->next;
    return ::new (static_cast<void*>(c->bytes)) T(arguments...);
  }

  void destroy(T* object) noexcept {
    object->~T();
    auto* c = reinterpret_cast<cell*>(object);
    c->next = free_;
    free_ = c;
  }

 private:
  bool grow() noexcept {
    const long at =
        core::sys::map(nullptr, block_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (at < 0) return false;
    auto* cells = reinterpret_cast<cell*>(at);
    // From the back, so that the first ones made lie at the front.
    for (std::size_t i = block_size / sizeof(cell); i-- > 0;) {
      cells[i].next = free_;
      free_ = &cells[i];
    }
    return true;
  }

  cell* free_ = nullptr;
};

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>

#include "runtime/core/sys.hpp"

namespace weft::core {

/// Array of T by small non-negative number (a descriptor), grown in chunks which are
/// mapped when first touched and never move. Growth is the only system call.
/// Not synchronised.
template <class T>
class sparse_table {
  static constexpr std::size_t chunk_size = 256;
  static constexpr std::size_t directory_size = 1u << 14;

 public:
  /// Numbers from here up are not kept (RLIMIT_NOFILE's usual ceiling is 1 << 20).
  static constexpr std::size_t capacity = chunk_size * directory_size;

  sparse_table() noexcept = default;
  sparse_table(const sparse_table&) = delete;
  sparse_table& operator=(const sparse_table&) = delete;
  ~sparse_table() {
    if (!directory_) return;
    for (std::size_t i = 0; i < directory_size; ++i)
      if (directory_[i]) sys::unmap(directory_[i], sizeof(T) * chunk_size);
    sys::unmap(directory_, sizeof(T*) * directory_size);
  }

  /// The entry if it was ever touched, else null.
  [[nodiscard]] T* find(int number) const noexcept {
    const auto n = static_cast<std::size_t>(number);
    if (number < 0 || n >= capacity || !directory_) return nullptr;
    T* chunk = directory_[n / chunk_size];
    return chunk ? &chunk[n % chunk_size] : nullptr;
  }

  /// The entry, made if need be; null if the number is out of range or memory is short.
  [[nodiscard]] T* touch(int number) noexcept {
    if (T* found = find(number)) return found;
    const auto n = static_cast<std::size_t>(number);
    if (number < 0 || n >= capacity) return nullptr;
    if (!directory_) directory_ = static_cast<T**>(map(sizeof(T*) * directory_size));
    if (!directory_) return nullptr;
    void* memory = map(sizeof(T) * chunk_size);
    if (!memory) return nullptr;
    T* chunk = static_cast<T*>(memory);
    for (std::size_t i = 0; i < chunk_size; ++i)
      ::new (static_cast<void*>(chunk + i)) T;
    directory_[n / chunk_size] = chunk;
    return &chunk[n % chunk_size];
  }

  /// Visits every entry that was touched.
  template <class F>
  void for_each(F&& visit) {
    if (!directory_) return;
    for (std::size_t i = 0; i < directory_size; ++i)
      if (directory_[i])
        for (std::size_t j = 0; j < chunk_size; ++j)
          visit(static_cast<int>(i * chunk_size + j), directory_[i][j]);
  }

 private:
  static void* map(std::size_t size) noexcept {
    const long at = sys::map(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    return at < 0 ? nullptr : reinterpret_cast<void*>(at);
  }

  T** directory_ = nullptr;
};

} // namespace weft::core

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <type_traits>

#include "runtime/core/page.hpp"
#include "runtime/core/sys.hpp"

namespace weft::core {

/// Growable array of plain values in memory of its own mapping, for code that may not call
/// malloc. What was never written costs address space only. Not synchronised.
template <class T>
class mapped_array {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  constexpr mapped_array() noexcept = default;
  mapped_array(const mapped_array&) = delete;
  mapped_array& operator=(const mapped_array&) = delete;

  /// Makes room for `count` values in all; false if there is no memory.
  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    if (count <= capacity_) return true;
    std::size_t capacity = capacity_ * 2 > count ? capacity_ * 2 : count;
    const std::size_t bytes = round_up_to_pages(capacity * sizeof(T));
    const long at = sys::map(nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
    if (at < 0) return false;
    T* values = reinterpret_cast<T*>(at);
    if (size_ != 0) std::memcpy(values, values_, size_ * sizeof(T));
    unmap();
    values_ = values;
    capacity_ = bytes / sizeof(T);
    return true;
  }

  /// There must be room.
  void push_back(T value) noexcept { values_[size_++] = value; }
  T pop_back() noexcept { return values_[--size_]; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return values_[i]; }
  [[nodiscard]] T* begin() noexcept { return values_; }
  [[nodiscard]] const T* begin() const noexcept { return values_; }
  [[nodiscard]] const T* end() const noexcept { return values_ + size_; }

  /// Empties it and gives its memory back.
  void discard() noexcept {
    unmap();
    values_ = nullptr;
    size_ = capacity_ = 0;
  }

 private:
  void unmap() noexcept {
    if (values_) sys::unmap(values_, round_up_to_pages(capacity_ * sizeof(T)));
  }

  T* values_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

} // namespace weft::core

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

/// Which of the program's memory other processes may share: where a futex may have waiters that
/// weft knows nothing of. What the kernel says is remembered page by page. A page remembered as
/// shared may have become private since: that costs a system call, and nothing else.
class shared_memory {
 public:
  /// To be called before a shared mapping is made or moved: until the first there is nothing to
  /// ask.
  void note_change() noexcept { ++changes_; }

  /// At the beginning: there may be shared mappings that were made before.
  void look_for_others() noexcept;

  [[nodiscard]] bool contains(const void* at) noexcept {
    return changes_ != 0 && look_up(reinterpret_cast<std::uintptr_t>(at));
  }

 private:
  struct page {
    std::uintptr_t number = 0;
    std::uint32_t as_of = 0; // value of changes_ when it was looked up
    bool shared = false;
  };
  static constexpr unsigned cache_size = 256;

  bool look_up(std::uintptr_t address) noexcept;

  std::uint32_t changes_ = 0;
  page cache_[cache_size];
};

} // namespace weft::patch

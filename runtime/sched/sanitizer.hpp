// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace weft::detail {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool under_tsan = true;
#else
inline constexpr bool under_tsan = false;
#endif

/// A stack as the sanitizers know it; empty in ordinary builds. One for each thread's own stack,
/// each hub loop and each carrier.
struct execution {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom = nullptr;
  std::size_t size = 0;
  void* fake_stack = nullptr;
#endif
#if defined(__SANITIZE_THREAD__)
  void* fiber = nullptr;
#endif

  void make([[maybe_unused]] void* top, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
    bottom = static_cast<char*>(top) - bytes;
    size = bytes;
#endif
#if defined(__SANITIZE_THREAD__)
    fiber = __tsan_create_fiber(0);
#endif
  }
  void adopt_thread() noexcept;
  void adopt_fiber_of([[maybe_unused]] const execution& other) noexcept {
#if defined(__SANITIZE_THREAD__)
    fiber = other.fiber;
#endif
  }
  void unmake([[maybe_unused]] void* top, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
    // Frames that were never left properly stay poisoned otherwise.
    __asan_unpoison_memory_region(static_cast<char*>(top) - bytes, bytes);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(fiber);
#endif
  }

  /// Right before a jump from `*this` to `to`.
  void leave_for([[maybe_unused]] execution& to) noexcept {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake_stack, to.bottom, to.size);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to.fiber, 0);
#endif
  }
  /// The same when nobody will come back to `*this`.
  void leave_for_good([[maybe_unused]] execution& to) noexcept {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(nullptr, to.bottom, to.size);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to.fiber, 0);
#endif
  }
  /// As what runs now, whatever it is: where its stack lies is learnt by who arrives from it.
  void adopt_current() noexcept {
#if defined(__SANITIZE_THREAD__)
    fiber = __tsan_get_current_fiber();
#endif
  }
  /// Right after `*this` was jumped to from `before`.
  void arrive_from([[maybe_unused]] execution& before) noexcept {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, &before.bottom, &before.size);
#endif
  }
  /// Right after `*this` was jumped to.
  void arrive() noexcept {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  }
};

} // namespace weft::detail

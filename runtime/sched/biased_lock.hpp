// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <mutex>

#include "runtime/sched/sanitizer.hpp"

namespace weft::detail {

/// Whether `heavy_fence` orders other threads' plain accesses too (membarrier). Set before main.
extern bool asymmetric_fences;

/// As if every running thread of the process had executed a full fence (1 to 5 us).
void heavy_fence() noexcept;

/// The other side: orders the caller's accesses as seen by who calls heavy_fence.
inline void owner_fence() noexcept {
#if !defined(__SANITIZE_THREAD__)
  if (asymmetric_fences) [[likely]]
    std::atomic_signal_fence(std::memory_order_seq_cst);
  else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

/// A lock that belongs to one thread, which takes it with two plain stores and a load, where a
/// locked instruction would cost 5 to 20 ns; any other thread pays a membarrier. It makes the
/// state of tasks and futures safe from any thread at no cost where only one hub uses them.
///
/// Dekker's handshake: the owner announces itself and looks for others, others announce
/// themselves and look for the owner; the membarrier on their side makes both announcements
/// visible before either looks. Held for a few instructions only; nothing blocks inside.
class biased_lock {
 public:
  void lock_as_owner() noexcept {
    if constexpr (under_tsan) { // TSan knows nothing of fences, and gcc says so
      inside_.store(true, std::memory_order_seq_cst);
      if (!wanted_.load(std::memory_order_seq_cst)) return;
    } else {
      inside_.store(true, std::memory_order_relaxed);
      owner_fence();
      if (!wanted_.load(std::memory_order_acquire)) [[likely]]
        return;
    }
    lock_as_owner_slowly();
  }
  /// The same where it costs nothing; false: not taken. Undone by `unlock_as_owner_quickly`.
  [[nodiscard]] bool try_lock_as_owner() noexcept {
    if constexpr (under_tsan) {
      inside_.store(true, std::memory_order_seq_cst);
      if (!wanted_.load(std::memory_order_seq_cst)) return true;
    } else {
      inside_.store(true, std::memory_order_relaxed);
      owner_fence();
      if (!wanted_.load(std::memory_order_acquire)) [[likely]]
        return true;
    }
    inside_.store(false, std::memory_order_release);
    return false;
  }
  void unlock_as_owner_quickly() noexcept { inside_.store(false, std::memory_order_release); }
  void unlock_as_owner() noexcept {
    if (owner_holds_mutex_) [[unlikely]]
      return unlock_as_owner_slowly();
    inside_.store(false, std::memory_order_release);
  }

  void lock_as_other() noexcept;
  void unlock_as_other() noexcept;

  /// In a forked child, on the only thread that is left.
  void reset_after_fork() noexcept;

 private:
  void lock_as_owner_slowly() noexcept;
  void unlock_as_owner_slowly() noexcept;

  std::atomic<bool> inside_{false};
  std::atomic<bool> wanted_{false};
  bool owner_holds_mutex_ = false;
  std::mutex mutex_;
};

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace weft::patch {

struct worker;

/// Sees to it that no thread can stop the others, from a kernel thread of its own:
///
/// - **Hand-over.** A worker that stays in one call of the kernel's from one look to the next
///   (2 to 5 ms) loses the processor to another.
/// - **Preemption.** A thread that has kept the processor for 5 ms while others wait for it, or
///   for timers or events that have come, is sent SIGURG (as Go does, and for its reasons) with a
///   mark that no other sender can make. It yields where it was interrupted, or at the end of the
///   call if that was in weft's code.
///
/// It runs only while there are green threads besides the main one. When nothing has happened for
/// a while it sleeps without time-out, and whoever makes something happen wakes it: one load where
/// threads become ready.
class monitor {
 public:
  /// Something may have to be looked after: wakes the monitor if it sleeps.
  void look() noexcept {
    if (asleep_.load(std::memory_order_relaxed)) [[unlikely]]
      wake();
  }
  /// A processor is idle, there is work for it, and no worker: makes one. Not done by the caller
  /// since a kernel thread inherits what its maker is.
  void make_worker() noexcept;
  /// One of those has begun, or cannot.
  void note_helper() noexcept { --helpers_to_come_; }
  /// Whether one has not begun yet, but will.
  [[nodiscard]] bool is_helper_to_come() const noexcept {
    return helpers_to_come_ != 0 && (is_running() || !worker_wanted_);
  }
  /// Starts it unless it runs. Where no kernel thread can be made threads can stop each other.
  void start() noexcept;
  /// Nobody is left to be looked after. It ends at once if it has lived for some milliseconds, and
  /// otherwise when it has: a program that makes and joins a thread at a time should not pay for
  /// one of ours each time.
  void retire() noexcept;
  /// Ends it, and returns when it has ended.
  void stop() noexcept;
  void reset_after_fork() noexcept;
  /// Whether there is, or may still be, a kernel thread of its.
  [[nodiscard]] bool is_running() const noexcept { return mode_ != mode::ended; }

 private:
  static void run(void* self) noexcept;
  void watch() noexcept;
  void spread(bool held_up, bool moved) noexcept;
  void look_at_limits(std::int64_t time) noexcept;
  void sleep(std::int64_t span) noexcept;
  bool may_end() noexcept;
  void wake() noexcept;

  std::atomic<std::uint32_t> asleep_{0};
  std::atomic<std::uint32_t> word_{0}; // a futex: bumped to wake it
  std::atomic<bool> worker_wanted_{false};
  std::atomic<unsigned> helpers_to_come_{0}; // wanted, or made and not begun
  enum class mode : std::uint8_t { ended, watching, lingering };
  std::atomic<mode> mode_{mode::ended};
  std::uint32_t alive_ = 0;
  std::int64_t started_at_ = 0;
  std::int64_t limits_seen_ = 0;
  void* stack_top_ = nullptr;
  void* thread_pointer_ = nullptr;
};

/// What weft's own SIGURG is about, in si_value.
enum class errand : std::uint8_t {
  preempt, // give others a turn
  attend,  // something is pending for the thread that is in a call of the kernel's here
};

/// Sends it to the kernel thread of w.
void send_errand(const worker& w, errand what) noexcept;

} // namespace weft::patch

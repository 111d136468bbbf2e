// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <weft/detail/blocking_call.hpp>
#include <weft/detail/forks.hpp>
#include <weft/detail/inbox_item.hpp>
#include <weft/detail/sync_lock.hpp>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

struct state;
class wait_list;

/// One who waits, on its own stack: a fiber of some hub, or a thread without a hub. Made where
/// the wait is to be: throws std::logic_error inside a callback, which may not wait.
struct waiter : inbox_item {
  waiter();
  /// The same where that is known: a thread's hub and the fiber that runs there, or null twice.
  waiter(hub* home, state* fiber) noexcept : home(home), fiber(fiber) { deliver = &wake; }
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  waiter* prev = nullptr; // both null: in no list
  waiter* next = nullptr;
  hub* home;    // null: a thread without one
  state* fiber; // of home
  std::atomic<std::uint32_t> fired{0};
  bool parked = false;     // the fiber is, in this wait; of home's thread
  std::uint32_t kind = 0;  // for the primitive: what it asks for
  std::uint64_t token = 0; // for the primitive: who it is
  void* payload = nullptr; // for the primitive: what is handed over, or where to

 private:
  static void wake(inbox_item& item) noexcept;
};

/// How a wait ended.
enum class waited : std::uint8_t {
  woken,       // somebody took it out of the list and woke it
  timed_out,   // it has left
  interrupted, // it has left, and something is to be thrown: see finish_wait
};

/// Who waits for one condition of a primitive, oldest first. Everything but `resume_all` is called
/// with the primitive's lock held.
///
///     bool semaphore::acquire(deadline limit) {
///       std::unique_lock held(lock_);
///       if (count_ > 0) {
///         --count_;
///         return true;
///       }
///       detail::waiter self;
///       waiters_.push_back(self);
///       const auto how = detail::wait_in(held, waiters_, self, limit.absolute(),
///                                        detail::blocking_call::semaphore_acquire);
///       if (how == detail::waited::woken) return true; // the permit was handed over
///       return detail::finish_wait(held, how);         // false, or throws
///     }
///     void semaphore::release() {
///       std::unique_lock held(lock_);
///       if (waiters_.empty()) {
///         ++count_;
///         return;
///       }
///       detail::waiter* const next = waiters_.take_front();
///       held.unlock();
///       detail::resume(*next); // hand over what it waits for: then nobody overtakes it
///     }
class wait_list {
 public:
  constexpr wait_list() noexcept = default;
  wait_list(const wait_list&) = delete;
  wait_list& operator=(const wait_list&) = delete;

  [[nodiscard]] bool empty() const noexcept { return first() == nullptr; }
  /// Null if there is none; the rest by `waiter::next`, until null.
  [[nodiscard]] waiter* first() const noexcept {
    waiter* const oldest = first_;
    return oldest && current() ? oldest : nullptr;
  }

  void push_back(waiter& w) noexcept {
    begin();
    w.prev = last_;
    w.next = nullptr;
    (last_ ? last_->next : first_) = &w;
    last_ = &w;
  }
  void push_front(waiter& w) noexcept {
    begin();
    w.prev = nullptr;
    w.next = first_;
    (first_ ? first_->prev : last_) = &w;
    first_ = &w;
  }
  /// Whether `w` is in: nobody has taken it yet.
  [[nodiscard]] bool contains(const waiter& w) const noexcept {
    return w.prev != nullptr || first() == &w;
  }
  /// Takes `w` out; false if it is not in (somebody took it, and wakes it).
  bool remove(waiter& w) noexcept {
    if (!contains(w)) return false;
    (w.prev ? w.prev->next : first_) = w.next;
    (w.next ? w.next->prev : last_) = w.prev;
    w.prev = w.next = nullptr;
    return true;
  }
  /// Takes the oldest, which is there, out: the caller must wake it.
  waiter* take_front() noexcept {
    waiter* const w = first_;
    take_first(*w);
    return w;
  }
  /// The same where it is known.
  void take_first(waiter& w) noexcept {
    waiter* const second = w.next;
    first_ = second;
    (second ? second->prev : last_) = nullptr;
    w.next = nullptr;
  }
  /// Takes the oldest, so many at most, as a chain for `resume_all`.
  waiter* take(std::size_t most) noexcept;
  /// Takes all, as a chain for `resume_all`.
  waiter* take_all() noexcept;

 private:
  /// After a fork, waiters are stacks of threads and fibers that are not there any more.
  [[nodiscard]] bool current() const noexcept {
    return generation_ == forks.load(std::memory_order_relaxed);
  }
  void begin() noexcept {
    const std::uint32_t now = forks.load(std::memory_order_relaxed);
    if (generation_ == now) [[likely]]
      return;
    first_ = last_ = nullptr;
    generation_ = now;
  }

  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
  std::uint32_t generation_ = 0; // of forks, when the first of them came
};

/// Waiters that were taken out one by one, to be woken by `resume_all`.
class wait_chain {
 public:
  void push_back(waiter& w) noexcept {
    (last_ ? last_->next : first_) = &w;
    last_ = &w;
  }
  [[nodiscard]] waiter* first() const noexcept { return first_; }

 private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

/// Waits until somebody takes `w`, which is in `list`, out and wakes it, until the absolute time
/// `until` (0: not at all), or until a request to throw that may be thrown here. `held` is held
/// when called; not any more when the answer is `woken`, again otherwise, and then `w` has left
/// the list: the caller may have others to wake in consequence before `finish_wait`.
///
/// A wake-up is never lost: who was taken out was woken, whatever happened at the same time.
waited wait_in(std::unique_lock<sync_lock>& held, wait_list& list, waiter& w, std::int64_t until,
               blocking_call call, bool interruptible = true, const state* waited_for = nullptr);

/// For one that may have been taken before it came to wait: whoever calls `wait_in` with the lock
/// held all the time since `push_back` has no need of it. Returns once it was woken; `w` is in no
/// list, the lock is not held.
void wait_until_woken(waiter& w, blocking_call call);

/// Releases `held`; throws what was requested of the fiber if `how` is `interrupted`. Always
/// false: the caller did not get what it waited for.
bool finish_wait(std::unique_lock<sync_lock>& held, waited how);

/// Wakes one that was taken out. Best after the lock is released; touches `w` no more once it is
/// awake. Any thread.
void resume(waiter& w) noexcept;
/// Wakes a chain, in its order.
void resume_all(waiter* chain) noexcept;

} // namespace detail
} // namespace weft

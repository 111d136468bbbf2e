// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/core/clock.hpp"
#include "runtime/core/list.hpp"
#include "weft/detail/blocking_call.hpp"
#include "weft/detail/sync_lock.hpp"
#include "weft/detail/wait_list.hpp"
#include "weft/thread_pool.hpp"

namespace weft::detail {

/// Something for a thread of a pool to do: in the pool's queue, then in its list of what runs.
struct pool_item : core::list_hook<> {
  /// On a thread of the pool.
  virtual void run() noexcept = 0;
  /// The pool touches it no more; likewise.
  virtual void finished() noexcept = 0;
  /// In a forked child: nobody will run it to its end. `queued`: it did not begin.
  virtual void lost() noexcept = 0;

  bool queued = false; // under the pool's lock, and while linked

 protected:
  ~pool_item() = default;
};

/// Threads, and what waits for them. A thread without a job is in `idle_`, the newest first, so
/// that the others grow old enough to end; it is handed its next one, which never sees the
/// queue. Hence the queue is empty unless every thread is busy and there may be no more of them,
/// and nobody waits for a place in it unless it is full.
///
/// Owned by the handle and by every thread.
class pool_core : public std::enable_shared_from_this<pool_core>, public core::list_hook<> {
 public:
  explicit pool_core(const thread_pool_options& options);
  pool_core(const pool_core&) = delete;
  pool_core& operator=(const pool_core&) = delete;
  ~pool_core();

  /// Queues `item`; false if there was no place until `until`. Throws as thread_pool::submit.
  bool submit(pool_item& item, std::int64_t until, blocking_call call);
  /// Takes `item` out of the queue; false if it is not in: it began.
  bool withdraw(pool_item& item) noexcept;
  /// Takes the oldest out; null if there is none.
  pool_item* withdraw_oldest() noexcept;

  void stop() noexcept;
  /// `stop`, and waits until no thread is left.
  bool shutdown(std::int64_t until, bool interruptible);

  /// Whether the calling thread is one of this pool's.
  [[nodiscard]] bool is_mine() const noexcept;

  struct counts {
    std::size_t threads, idle, queued;
  };
  [[nodiscard]] counts count() const noexcept;

  void lock_for_fork() noexcept { lock_.lock(); }
  void unlock_after_fork() noexcept { lock_.unlock(); }
  /// In the child; releases the lock.
  void reset_after_fork() noexcept;

 private:
  /// One thread, on its stack.
  struct worker : core::list_hook<> {
    pool_core* pool = nullptr;
    std::atomic<std::uint32_t> fired{0};
    pool_item* given = nullptr; // null once fired: it is to leave
    pool_item* doing = nullptr;
    std::uint32_t generation = 0; // of forks, when it began
  };

  // Threads.
  bool start_thread(std::unique_lock<sync_lock>& held, pool_item& item);
  void work(pool_item* first) noexcept;
  void run(worker& self, pool_item& item) noexcept;
  pool_item* next_item(worker& self) noexcept;
  pool_item* wait_for_item(std::unique_lock<sync_lock>& held, worker& self) noexcept;
  void end_thread(std::unique_lock<sync_lock>& held) noexcept;
  void enter_idle(worker& w) noexcept;
  void leave_idle(worker& w) noexcept;

  // Under the lock.
  bool wait_for_place(std::unique_lock<sync_lock>& held, pool_item& item, std::int64_t until,
                      blocking_call call);
  bool give_to_idle(pool_item* item) noexcept;
  void enqueue(pool_item& item) noexcept;
  pool_item& dequeue(pool_item& item) noexcept;
  void begin(pool_item& item) noexcept;
  waiter* fill_place() noexcept;

  static thread_local constinit worker* this_worker;

  const std::string name_;
  const std::size_t least_, most_, capacity_;
  const core::nanoseconds idle_time_;

  mutable sync_lock lock_;
  // Under it:
  core::list<pool_item> queue_;
  std::size_t queued_ = 0;
  core::list<pool_item> running_;
  core::list<worker> idle_;
  std::size_t idle_count_ = 0;
  std::size_t threads_ = 0;
  std::size_t stuck_ = 0; // threads that wait for a place in their own queue
  bool stopped_ = false;
  std::uint32_t generation_; // of forks
  wait_list submitters_;     // each with its item
  wait_list ending_;         // in `shutdown`
};

/// For weft's own calls on files and names, apart from default_thread_pool, which may be full of
/// the program's jobs.
pool_core& io_pool();
/// Ends the hub that a job made of this thread, if it did.
void end_hub_of_this_thread() noexcept;

} // namespace weft::detail

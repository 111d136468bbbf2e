// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/future.hpp>
#include <weft/promise.hpp>
#include <weft/spawn.hpp>

namespace [[gnu::visibility("default")]] weft {

struct thread_pool_options {
  /// Of its threads, for debuggers and `top`; the first 15 characters count.
  std::string_view name = "weft-pool";
  /// So many stay for ever once they were needed.
  std::size_t min_threads = 0;
  /// So many at most; 0 is refused.
  std::size_t max_threads = 128;
  /// A thread beyond `min_threads` that has had nothing to do for so long ends.
  std::chrono::nanoseconds idle_time = std::chrono::seconds(10);
  /// Jobs that may wait for a thread; 0 is refused.
  std::size_t queue_capacity = static_cast<std::size_t>(-1);
};

namespace detail {

class pool_core;

/// A function for a pool's thread to call, and its outcome. Not part of the interface.
class pool_call {
 public:
  virtual ~pool_call() = default;
  /// Calls the function and keeps what came of it.
  virtual void call() noexcept = 0;
  /// Makes it the future's outcome, unless that was cancelled meanwhile.
  virtual void publish() noexcept = 0;
};

template <class T, class Call>
class bound_pool_call final : public pool_call {
  using stored =
      typename result_slot<std::conditional_t<std::is_void_v<T>, std::nullptr_t, T>>::stored;

 public:
  explicit bound_pool_call(Call&& f) : function_(std::move(f)) {}

  [[nodiscard]] future<T> get_future() const { return outcome_.get_future(); }

  void call() noexcept override {
    try {
      if constexpr (std::is_void_v<T>)
        (*function_)();
      else if constexpr (std::is_reference_v<T>)
        result_.emplace(std::addressof((*function_)()));
      else
        result_.emplace((*function_)());
    } catch (const cancelled&) {
      was_cancelled_ = true;
    } catch (...) {
      error_ = std::current_exception();
    }
    function_.reset(); // what it captured is gone when the outcome is there
  }

  void publish() noexcept override {
    try {
      if (was_cancelled_)
        outcome_.cancel();
      else if (error_)
        outcome_.set_exception(std::exchange(error_, nullptr));
      else
        publish_result();
    } catch (const future_error&) { // cancelled meanwhile: the result is dropped
    } catch (...) {                 // moving the result failed
      error_ = std::current_exception();
      publish();
    }
  }

 private:
  void publish_result() {
    if constexpr (std::is_void_v<T>)
      outcome_.set_value();
    else if constexpr (std::is_reference_v<T>)
      outcome_.set_value(static_cast<T>(**result_));
    else
      outcome_.set_value(std::move(*result_));
  }

  promise<T> outcome_;
  std::optional<Call> function_;
  std::optional<stored> result_;
  std::exception_ptr error_;
  bool was_cancelled_ = false;
};

/// For what waits for something that others do (a connection, another future): without a limit to
/// its threads, since what is waited for might stand behind it in the queue.
pool_core& waiting_pool();

/// False if there was no place in the queue until `until` (0: does not wait).
bool submit_to_pool(pool_core& pool, std::unique_ptr<pool_call> call, state& outcome,
                    std::int64_t until);

template <class T, class Call>
std::optional<future<T>> submit_call(pool_core& pool, Call&& f, std::int64_t until) {
  auto call = std::make_unique<bound_pool_call<T, Call>>(std::forward<Call>(f));
  future<T> result = call->get_future();
  state& outcome = *result.internal_state();
  if (!submit_to_pool(pool, std::move(call), outcome, until)) return std::nullopt;
  return result;
}

} // namespace detail

/// Kernel threads for what would keep a hub's thread from its fibers: calls that block where weft
/// cannot see it, and long computations. Elastic: a thread is made when a job finds none idle,
/// and ends when it was idle for long. Model: concurrent.futures.ThreadPoolExecutor, gevent's
/// ThreadPool.
///
///     weft::thread_pool pool({.max_threads = 4, .queue_capacity = 100});
///     weft::future<int> answer = pool.submit([](int x) { return x * 2; }, 21);
///     answer.get();  // parks the fiber, and only this one
///
/// - Jobs start in the order in which they came. Function and arguments are decay-copied, as
///   std::thread does, and are gone when the outcome is there; what the function returns or throws
///   is the future's.
/// - A job that began is not interrupted. Cancelling a fiber that waits for it leaves the job
///   alone; cancelling its future (`future.cancel()`, `with_timeout`, `gather`) takes a job that
///   did not begin out of the queue, so that it never runs, and otherwise leaves it to finish: its
///   result is dropped.
/// - A job may use all of weft. A hub that it made by spawning ends with it: fibers that are left
///   are cancelled and run to their end, before the job's outcome is there.
/// - While a job runs, waiting for ever is no deadlock (`deadlock_error`): it may wake somebody.
///   Idle threads do not count.
/// - The threads block every signal but those of their own faults; a program that a job starts
///   inherits that. They do not keep the process from ending: at `exit` what runs is abandoned.
/// - In a forked child the pool starts anew, without threads. The outcome of all that was queued
///   or running is "cancelled" there; in the parent nothing changes.
///
/// Any thread may use a pool; only destroying it is for one.
class thread_pool {
 public:
  /// Makes no thread yet. Throws std::invalid_argument for options that cannot be.
  explicit thread_pool(const thread_pool_options& options = {});
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  /// As `shutdown()`, but no cancellation is delivered. In one of its own jobs it does not wait.
  /// Not for callbacks, which may not block.
  ~thread_pool();

  /// Queues `f(args...)` and returns its future. If the queue is full, parks the fiber (or blocks
  /// a thread without a hub) until there is a place, first come first served: a switch point then,
  /// and only then. Cancelled while it waits, the job is not queued.
  ///
  /// Throws std::logic_error after `shutdown` and for a wait inside a callback,
  /// std::invalid_argument for a null function, std::system_error if not a single thread could be
  /// had, deadlock_error if every thread of the pool would wait here for a place in its own queue.
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto submit(F&& f, Args&&... args) -> future<detail::spawn_result_t<F, Args...>> {
    return *try_submit_for(deadline::never(), std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// The same, with a limit to the wait for a place; empty if there was none.
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto try_submit_for(deadline limit, F&& f, Args&&... args)
      -> std::optional<future<detail::spawn_result_t<F, Args...>>> {
    return detail::submit_call<detail::spawn_result_t<F, Args...>>(
        *core_, detail::bind_call(std::forward<F>(f), std::forward<Args>(args)...),
        limit.absolute());
  }

  /// The same without waiting. Anywhere, callbacks included.
  template <class F, class... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto try_submit(F&& f, Args&&... args)
      -> std::optional<future<detail::spawn_result_t<F, Args...>>> {
    return try_submit_for(std::chrono::nanoseconds(0), std::forward<F>(f),
                          std::forward<Args>(args)...);
  }

  /// Accepts nothing more (whoever waits for a place gets std::logic_error), and waits until all
  /// that was accepted has run and the threads have left. A switch point unless that is so
  /// already; cancelled, the pool stays closed and goes on. May be called again. Throws
  /// deadlock_error in one of the pool's own jobs.
  void shutdown();
  /// The same with a limit; says whether all is over.
  bool shutdown(deadline limit);

  /// Cancels the futures of all jobs that wait for a thread; they never run. Returns how many.
  /// Never blocks.
  std::size_t cancel_queued() noexcept;

  /// Threads; those without a job; jobs that wait for a thread. Of this moment.
  [[nodiscard]] std::size_t threads() const noexcept;
  [[nodiscard]] std::size_t idle_threads() const noexcept;
  [[nodiscard]] std::size_t queued() const noexcept;

 private:
  std::shared_ptr<detail::pool_core> core_;
};

/// The process's own pool, which `to_thread` uses: with the default options, made when first used,
/// never destroyed.
[[nodiscard]] thread_pool& default_thread_pool();

/// `pool.submit(f, args...)` by asyncio's name (loop.run_in_executor).
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto run_in_executor(thread_pool& pool, F&& f, Args&&... args) {
  return pool.submit(std::forward<F>(f), std::forward<Args>(args)...);
}

/// Has `f(args...)` called on a thread of the process's own pool. Never blocks. Model:
/// asyncio.to_thread, gevent's get_hub().threadpool.
///
///     auto digest = weft::to_thread([](std::string text) { return expensive_hash(text); }, text);
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto to_thread(F&& f, Args&&... args) {
  return default_thread_pool().submit(std::forward<F>(f), std::forward<Args>(args)...);
}

} // namespace weft

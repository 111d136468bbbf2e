// SPDX-License-Identifier: BSL-1.0
#include "weft/thread_pool.hpp"

#include <atomic>

#include "runtime/sched/state.hpp"
#include "runtime/threads/pool_core.hpp"

// The public pool: its jobs have futures.

namespace weft {
namespace detail {
namespace {

/// A job is its pool's until it has run, and its future's, by which it may be cancelled, until
/// that is done: each holds it.
struct future_job final : pool_item, completion {
  future_job(pool_core& in, std::unique_ptr<pool_call> c, state& s)
      : pool(in.shared_from_this()), call(std::move(c)) {
    retain(s);
    outcome = state_ref(&s);
    deliver = [](inbox_item& item) noexcept { static_cast<future_job&>(item).settled(); };
    attach(s, *this);
  }

  void run() noexcept override {
    begun.store(true, std::memory_order_relaxed);
    if (outcome->done()) return; // cancelled
    call->call();
    end_hub_of_this_thread();
    call->publish();
  }
  void finished() noexcept override {
    if (detach(*this)) let_go();
    let_go();
  }
  /// The future's waiters were other threads, or have been forgotten together with this.
  void lost() noexcept override {
    outcome->waiters = nullptr;
    next = prev = nullptr;
    settle(*outcome, outcome_kind::cancelled);
    if (queued) delete this;
  }

  /// By whoever settled it: the pool's thread, or who cancelled.
  void settled() noexcept {
    if (!begun.load(std::memory_order_relaxed) && pool->withdraw(*this)) let_go();
    let_go();
  }
  void let_go() noexcept {
    if (holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  std::shared_ptr<pool_core> pool;
  std::unique_ptr<pool_call> call;
  state_ref outcome;
  std::atomic<bool> begun{false}; // a hint
  std::atomic<int> holders{2};
};

} // namespace

bool submit_to_pool(pool_core& pool, std::unique_ptr<pool_call> call, state& outcome,
                    std::int64_t until) {
  auto job = std::make_unique<future_job>(pool, std::move(call), outcome);
  struct detached {
    future_job* job;
    ~detached() {
      if (job) detach(*job);
    }
  } unless_accepted{job.get()};
  if (!pool.submit(*job, until, blocking_call::executor_submit)) return false;
  unless_accepted.job = nullptr;
  static_cast<void>(job.release());
  return true;
}

namespace {
/// One for the process: its threads run on past the destructors of static objects.
std::shared_ptr<pool_core>& make_immortal(const thread_pool_options& options) {
  return *new std::shared_ptr<pool_core>(std::make_shared<pool_core>(options));
}
} // namespace

pool_core& io_pool() {
  static const auto& core = make_immortal({.name = "weft-io"});
  return *core;
}

pool_core& waiting_pool() {
  static const auto& core =
      make_immortal({.name = "weft-wait", .max_threads = static_cast<std::size_t>(-1)});
  return *core;
}

} // namespace detail

thread_pool::thread_pool(const thread_pool_options& options)
    : core_(std::make_shared<detail::pool_core>(options)) {}

thread_pool::~thread_pool() {
  if (core_->is_mine())
    core_->stop();
  else
    core_->shutdown(core::never, false);
}

void thread_pool::shutdown() {
  core_->shutdown(core::never, true);
}

bool thread_pool::shutdown(deadline limit) {
  return core_->shutdown(limit.absolute(), true);
}

std::size_t thread_pool::cancel_queued() noexcept {
  std::size_t count = 0;
  for (std::size_t n = queued(); n != 0; --n) {
    auto* const item = core_->withdraw_oldest();
    if (!item) break;
    auto& job = static_cast<detail::future_job&>(*item); // a public pool has no others
    count += detail::cancel_state(*job.outcome, nullptr);
    job.let_go();
  }
  return count;
}

std::size_t thread_pool::threads() const noexcept {
  return core_->count().threads;
}
std::size_t thread_pool::idle_threads() const noexcept {
  return core_->count().idle;
}
std::size_t thread_pool::queued() const noexcept {
  return core_->count().queued;
}

thread_pool& default_thread_pool() {
  static thread_pool& pool = *new thread_pool;
  return pool;
}

} // namespace weft

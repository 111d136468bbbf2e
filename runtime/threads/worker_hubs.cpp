// SPDX-License-Identifier: BSL-1.0
#include "runtime/threads/worker_hubs.hpp"

#include <pthread.h>

#include <mutex>
#include <new>
#include <stdexcept>
#include <string>

#include "runtime/sched/hub.hpp"
#include "runtime/sched/process.hpp"
#include "weft/run.hpp"

namespace weft::detail {

namespace {
// Fibers that are joined may give others to hubs that were through. Not for ever: something else
// may go on spawning.
constexpr int rounds_at_end = 16;
} // namespace

worker_hubs::worker_hubs(unsigned count)
    : generation_(fork_generation()), group_(count), started_(count - 1), made_(count) {
  hub& here = hub::here();
  group_.set_hub(0, here);
  try {
    start();
  } catch (...) {
    end();
    throw;
  }
  here.enter_group(group_, 0);
  give(order::enter_group);
  wait_until_done();
}

void worker_hubs::start() {
  const unsigned others = group_.size() - 1;
  threads_.reserve(others);
  try {
    for (unsigned i = 1; i <= others; ++i)
      threads_.emplace_back([this, i] { work(i); });
  } catch (...) {
    started_.count_down(static_cast<std::ptrdiff_t>(others - threads_.size()));
    started_.wait();
    throw;
  }
  started_.wait();
  const std::lock_guard held(mutex_);
  if (failure_) std::rethrow_exception(failure_);
}

void worker_hubs::work(unsigned index) noexcept {
  pthread_setname_np(pthread_self(), ("weft-hub-" + std::to_string(index)).c_str());
  hub* h = nullptr;
  try {
    h = &hub::here();
    group_.set_hub(index, *h);
  } catch (...) {
    const std::lock_guard held(mutex_);
    failure_ = std::current_exception();
  }
  started_.count_down();
  serve(h, index);
}

/// `h` is null if there was no hub to be had; then only the order to end comes.
void worker_hubs::serve(hub* h, unsigned index) {
  order what = order::wait;
  for (unsigned done = 0; what != order::end; ++done) {
    {
      std::unique_lock held(mutex_);
      changed_.wait(held, [&] { return orders_ != done; });
      what = order_;
    }
    switch (what) {
    case order::wait:
      break;
    case order::enter_group:
      h->enter_group(group_, index);
      break;
    case order::cancel_all_and_join:
      h->cancel_all_and_join(false);
      break;
    case order::join_all:
      h->join_all(false);
      break;
    case order::leave_group:
      if (h) h->leave_group();
      break;
    case order::end:
      if (h) h->end();
      break;
    }
    const std::lock_guard held(mutex_);
    if (what == order::join_all) made_[index] = h->blocks_made();
    if (--working_ == 0) changed_.notify_all();
  }
}

void worker_hubs::give(order what) {
  const std::lock_guard held(mutex_);
  order_ = what;
  ++orders_;
  working_ = static_cast<unsigned>(threads_.size());
  changed_.notify_all();
}

void worker_hubs::wait_until_done() {
  std::unique_lock held(mutex_);
  changed_.wait(held, [&] { return working_ == 0; });
}

/// Fibers that end may give new ones to hubs that have none left, so all are asked again until
/// none has had any since it was last asked. What one hub sent to another before it answered
/// comes before the next question there.
void worker_hubs::cancel_all_and_join() {
  hub& here = hub::here();
  group_.begin_end();
  while (homeless_fiber* const fiber = group_.steal(0))
    here.take_in(*fiber); // which cancels it
  give(order::cancel_all_and_join);
  here.cancel_all_and_join(true);
  wait_until_done();
  std::vector<std::uint64_t> before;
  for (int round = 0; round < rounds_at_end; ++round) {
    give(order::join_all);
    here.join_all(true);
    wait_until_done();
    made_[0] = here.blocks_made();
    if (made_ == before && !group_.has_work()) return;
    before = made_;
  }
}

bool worker_hubs::lost() const noexcept {
  return generation_ != fork_generation();
}

void worker_hubs::end() noexcept {
  wait_until_done(); // of an order that was given up waiting for
  // Nobody calls anybody any more when the first ends.
  give(order::leave_group);
  hub::here().leave_group();
  wait_until_done();
  give(order::end);
  wait_until_done();
  while (homeless_fiber* const fiber = group_.steal(0))
    cancel_untaken(*fiber);
  for (std::thread& t : threads_)
    t.join();
}

worker_hubs::~worker_hubs() {
  end();
}

run_workers::run_workers(unsigned count) {
  if (count == all_processors) count = std::min(usable_processors(), hub_group::most_hubs);
  if (count > hub_group::most_hubs)
    throw std::length_error("weft::run: so many workers cannot be; ask for 1024 or less");
  if (count > 1) others_ = new worker_hubs(count);
}

run_workers::~run_workers() {
  if (others_ && !others_->lost()) delete others_;
  hub::here().leave_group();
}

void run_workers::cancel_all_and_join() {
  if (others_ && !others_->lost())
    others_->cancel_all_and_join();
  else
    hub::here().cancel_all_and_join(true);
}

} // namespace weft::detail

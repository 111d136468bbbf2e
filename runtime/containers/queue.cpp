// SPDX-License-Identifier: BSL-1.0
#include <stdexcept>
#include <string>

#include "weft/detail/queue_base.hpp"
#include "weft/error.hpp"

namespace weft::detail {

queue_base::queue_base(std::size_t capacity) : capacity_(capacity) {
  if (capacity == 0)
    throw std::invalid_argument("weft::queue: capacity 0; use weft::channel to hand items over "
                                "directly, or give no capacity for an unbounded queue");
}

void queue_base::throw_closed(const char* call) {
  throw queue_closed(std::string("weft: ") + call + " of a queue that was closed");
}

queue_answer queue_base::wait_as(queue_waiter& w, std::unique_lock<sync_lock>& held,
                                 wait_list& list, std::int64_t until) {
  constexpr blocking_call calls[] = {blocking_call::queue_get, blocking_call::queue_peek,
                                     blocking_call::queue_put};
  list.push_back(w);
  const waited how = wait_in(held, list, w, until, calls[w.kind]);
  if (how != waited::woken) {
    finish_wait(held, how);
    return queue_answer::timed_out;
  }
  if (w.result == queue_waiter::answer::served) return queue_answer::done;
  if (w.result == queue_waiter::answer::failed) std::rethrow_exception(std::move(w.error));
  return queue_answer::closed;
}

void queue_base::close() noexcept {
  std::unique_lock held(lock_);
  closed_ = true;
  waiter* const waiting[] = {getters_.take_all(), putters_.take_all()};
  for (waiter* chain : waiting)
    for (waiter* w = chain; w; w = w->next)
      static_cast<queue_waiter*>(w)->result = queue_waiter::answer::closed;
  held.unlock();
  for (waiter* chain : waiting)
    resume_all(chain);
}

bool queue_base::closed() const noexcept {
  const std::lock_guard held(lock_);
  return closed_;
}

void queue_base::task_done() {
  std::unique_lock held(lock_);
  if (unfinished_ == 0)
    throw std::logic_error("weft::queue::task_done: called more often than items were put; call "
                           "it once for each item that was got");
  if (--unfinished_ > 0) return;
  waiter* const all = joiners_.take_all();
  held.unlock();
  resume_all(all);
}

std::size_t queue_base::unfinished() const noexcept {
  const std::lock_guard held(lock_);
  return unfinished_;
}

bool queue_base::join_until(std::int64_t until) {
  std::unique_lock held(lock_);
  if (unfinished_ == 0) return true;
  waiter self;
  joiners_.push_back(self);
  const waited how = wait_in(held, joiners_, self, until, blocking_call::queue_join);
  return how == waited::woken || finish_wait(held, how);
}

void queue_base::join() {
  join_until(INT64_MAX);
}

bool queue_base::join(deadline limit) {
  return join_until(limit.absolute());
}

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "runtime/core/list.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"
#include "weft/detail/imap_range.hpp"
#include "weft/detail/wait_list.hpp"

namespace weft::detail {
namespace {

/// A task's place among those of its imap; delivered wherever it ends.
struct imap_node : completion, core::list_hook<> {
  imap_core* imap = nullptr;
  state_ref task;
  bool done = false;
};

void on_done(inbox_item& item) noexcept;

} // namespace

class imap_core {
 public:
  explicit imap_core(bool in_order) : in_order_(in_order) {}

  void reserve() {
    if (spare_) return;
    spare_ = std::make_unique<imap_node>();
    spare_->imap = this;
    spare_->deliver = &on_done;
  }

  void add(state& s) noexcept {
    imap_node& n = *spare_.release();
    retain(s);
    n.task = state_ref(&s);
    owners_.fetch_add(1, std::memory_order_relaxed);
    {
      const std::lock_guard held(lock_);
      (in_order_ ? next_ : running_).push_back(n);
      ++not_done_;
      if (attach(s, n)) return;
    }
    settle(n);
  }

  state_ref take() noexcept {
    std::unique_lock held(lock_);
    seen_ = done_;
    if (next_.empty() || !next_.front().done) return {};
    imap_node& n = next_.pop_front();
    held.unlock();
    state_ref task = std::move(n.task);
    delete &n;
    return task;
  }

  void wait() {
    std::unique_lock held(lock_);
    if (done_ != seen_) return;
    waiter self;
    consumer_.push_back(self);
    const waited how = wait_in(held, consumer_, self, INT64_MAX, blocking_call::imap_next);
    if (how != waited::woken) finish_wait(held, how);
  }

  /// One of them is done.
  void settle(imap_node& n) noexcept {
    std::unique_lock held(lock_);
    --not_done_;
    const bool left = left_;
    waiter* woken = nullptr;
    if (left) {
      n.unlink();
      if (not_done_ == 0) woken = consumer_.take_all();
    } else {
      n.done = true;
      ++done_;
      if (!in_order_) {
        n.unlink();
        next_.push_back(n);
      }
      woken = consumer_.take_all();
    }
    held.unlock();
    if (left) delete &n;
    if (woken) resume_all(woken);
    release();
  }

  /// Nobody takes results any more.
  void leave() noexcept {
    std::unique_lock held(lock_);
    left_ = true;
    core::list<imap_node> done;
    for (core::list<imap_node>* list : {&next_, &running_})
      list->for_each([&](imap_node& n) {
        if (!n.done) {
          cancel_state(*n.task, nullptr); // a fiber: it cannot be done within the call
          return;
        }
        n.unlink();
        done.push_back(n);
      });
    if (not_done_ > 0 && (!this_hub || this_hub->running())) {
      waiter self;
      consumer_.push_back(self);
      wait_in(held, consumer_, self, INT64_MAX, blocking_call::imap_next, false);
    } else {
      held.unlock();
    }
    while (!done.empty())
      delete &done.pop_front();
    release();
  }

 private:
  ~imap_core() = default;
  void release() noexcept {
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  sync_lock lock_;
  const bool in_order_;
  bool left_ = false;
  std::size_t not_done_ = 0;
  std::uint64_t done_ = 0;        // so far
  std::uint64_t seen_ = 0;        // of them, when the consumer last looked
  core::list<imap_node> next_;    // in the order in which they are to be taken
  core::list<imap_node> running_; // of an unordered one: those that are not done
  wait_list consumer_;
  std::unique_ptr<imap_node> spare_;
  std::atomic<std::size_t> owners_{1}; // the range, and its tasks that are not done
};

namespace {

void on_done(inbox_item& item) noexcept {
  auto& n = static_cast<imap_node&>(item);
  n.imap->settle(n);
}

} // namespace

imap_tasks::imap_tasks(bool in_order) : core_(new imap_core(in_order)) {}

imap_tasks::~imap_tasks() {
  core_->leave();
}

void imap_tasks::reserve() {
  core_->reserve();
}

void imap_tasks::add(state& s) noexcept {
  core_->add(s);
  ++size_;
}

state_ref imap_tasks::take() noexcept {
  state_ref task = core_->take();
  if (task) --size_;
  return task;
}

void imap_tasks::wait() {
  core_->wait();
}

} // namespace weft::detail

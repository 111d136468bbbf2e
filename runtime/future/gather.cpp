// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <memory>
#include <new>

#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"
#include "weft/detail/gathering.hpp"
#include "weft/promise.hpp"

namespace weft::detail {
namespace {

/// Between a future and the children that it stands for, until they are all done.
class gathering : public std::enable_shared_from_this<gathering> {
 public:
  gathering(state_ref whole, std::vector<gathered_child> children, make_gathered make,
            bool all_must_succeed)
      : whole_(std::move(whole)), children_(std::move(children)),
        places_(std::make_unique<place[]>(children_.size())), make_(make),
        all_must_succeed_(all_must_succeed), left_(children_.size()) {
    put_into(*whole_);
  }

  void start() noexcept;
  /// False if there is an outcome already.
  static bool cancel(state& whole) noexcept;

 private:
  struct place : completion {
    gathering* owner = nullptr;
    const gathered_child* child = nullptr;
  };

  // While it is pending, the end of the state's storage is free: results are at its start.
  static constexpr std::size_t offset = inline_result_bytes;
  static_assert(offset + sizeof(void*) <= inline_bytes);
  void put_into(state& s) noexcept { ::new (static_cast<void*>(s.storage + offset)) void*(this); }
  static gathering& of(state& s) noexcept {
    return *static_cast<gathering*>(*std::launder(reinterpret_cast<void**>(s.storage + offset)));
  }

  static void deliver(inbox_item& item) noexcept {
    auto& p = static_cast<place&>(item);
    p.owner->child_done(*p.child);
  }
  void child_done(const gathered_child& child) noexcept;
  void fail_by(const gathered_child& child) noexcept;
  void all_done() noexcept;
  void settle_as(const gathered_child& failed) noexcept;
  void settle_with_results() noexcept;
  void settle_with_error(std::exception_ptr error) noexcept;

  const state_ref whole_;
  const std::vector<gathered_child> children_;
  const std::unique_ptr<place[]> places_;
  const make_gathered make_;
  const bool all_must_succeed_;
  std::atomic<bool> cancelling_{false};
  std::atomic<bool> decided_{false}; // whoever sets it settles the whole
  std::atomic<const gathered_child*> failed_{nullptr};
  std::atomic<std::size_t> left_;   // children that are not done
  std::shared_ptr<gathering> self_; // until the children are done
};

void gathering::start() noexcept {
  const auto alive = self_ = shared_from_this();
  for (std::size_t i = 0; i < children_.size(); ++i) {
    place& p = places_[i];
    p.owner = this;
    p.child = &children_[i];
    p.home = whole_->home;
    p.deliver = &deliver;
    if (!attach(*children_[i].of, p)) child_done(children_[i]);
  }
  if (children_.empty()) all_done();
}

void gathering::child_done(const gathered_child& child) noexcept {
  if (all_must_succeed_) {
    const auto ended = child.of->outcome.load(std::memory_order_acquire);
    if (ended == outcome_kind::error ||
        (ended == outcome_kind::cancelled && !cancelling_.load(std::memory_order_acquire)))
      fail_by(child);
  }
  if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) all_done();
}

void gathering::fail_by(const gathered_child& child) noexcept {
  child.of->set(outcome_seen);
  const gathered_child* nobody = nullptr;
  if (!failed_.compare_exchange_strong(nobody, &child, std::memory_order_acq_rel)) return;
  // Who cancels waits for all of them.
  if (cancelling_.load(std::memory_order_acquire)) return;
  if (!decided_.exchange(true, std::memory_order_acq_rel)) settle_as(child);
}

void gathering::all_done() noexcept {
  const auto alive = std::move(self_);
  if (!decided_.exchange(true, std::memory_order_acq_rel)) {
    if (const gathered_child* failed = failed_.load(std::memory_order_acquire))
      settle_as(*failed);
    else if (cancelling_.load(std::memory_order_acquire))
      settle(*whole_, outcome_kind::cancelled);
    else if (hub* h = this_hub) // results may be of any type: what makes them may not park
      h->as_callback([this] { settle_with_results(); });
    else
      settle_with_results();
  }
}

void gathering::settle_as(const gathered_child& failed) noexcept {
  // If nobody looks: a failure is reported, that somebody was cancelled is not.
  if (failed.of->outcome.load(std::memory_order_acquire) == outcome_kind::cancelled)
    whole_->set(outcome_seen);
  settle_with_error(outcome_exception(*failed.of));
}

void gathering::settle_with_results() noexcept {
  try {
    make_(*whole_, children_);
  } catch (...) {
    return settle_with_error(std::current_exception());
  }
  settle(*whole_, outcome_kind::value);
}

void gathering::settle_with_error(std::exception_ptr error) noexcept {
  ::new (static_cast<void*>(whole_->storage)) std::exception_ptr(std::move(error));
  settle(*whole_, outcome_kind::error);
}

bool gathering::cancel(state& whole) noexcept {
  std::shared_ptr<gathering> g;
  {
    const state_guard held(whole);
    if (whole.done()) return false;
    g = of(whole).shared_from_this(); // alive: it settles before it goes
  }
  g->cancelling_.store(true, std::memory_order_release);
  for (const auto& child : g->children_)
    cancel_state(*child.of, nullptr);
  return true;
}

} // namespace

state_ref gather_states(const state_type& type, std::vector<gathered_child> children,
                        make_gathered make, bool all_must_succeed) {
  state_ref whole = new_promise(type);
  std::make_shared<gathering>(whole, std::move(children), make, all_must_succeed)->start();
  return whole;
}

bool cancel_gathered(state& whole) noexcept {
  return gathering::cancel(whole);
}

} // namespace weft::detail

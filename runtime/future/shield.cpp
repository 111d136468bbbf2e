// SPDX-License-Identifier: BSL-1.0
#include "weft/shield.hpp"

#include <memory>

#include "runtime/sched/state.hpp"
#include "weft/promise.hpp"

namespace weft::detail {
namespace {

/// Waits with the inner state to tell the outer one; lives until then.
struct follower : completion {
  state_ref inner;
  state_ref outer;

  void follow() noexcept {
    const std::unique_ptr<follower> mine(this);
    const auto ended = inner->outcome.load(std::memory_order_acquire);
    if (ended == outcome_kind::cancelled) {
      cancel_state(*outer, nullptr);
      return;
    }
    if (!try_claim(*outer)) return; // cancelled: what the inner one ended with is its own affair
    if (ended == outcome_kind::error) {
      ::new (static_cast<void*>(outer->storage)) std::exception_ptr(outcome_exception(*inner));
      settle_claimed(*outer, outcome_kind::error);
    } else {
      ::new (static_cast<void*>(outer->storage)) state*(inner.leave());
      settle_claimed(*outer, outcome_kind::forwarded);
    }
  }
};

} // namespace

state_ref shield_state(const state_type& type, state& inner) {
  state_ref outer = new_promise(type);
  auto f = std::make_unique<follower>();
  retain(inner);
  f->inner = state_ref(&inner);
  f->outer = outer;
  f->deliver = [](inbox_item& item) noexcept { static_cast<follower&>(item).follow(); };
  follower* const waiting = f.release(); // deletes itself
  if (!attach(inner, *waiting)) waiting->follow();
  return outer;
}

} // namespace weft::detail

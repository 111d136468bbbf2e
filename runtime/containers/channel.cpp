// SPDX-License-Identifier: BSL-1.0
#include <stdexcept>

#include "runtime/containers/select_wait.hpp"
#include "runtime/core/context/go_back.hpp"
#include "runtime/sync/sync_lock.hpp"
#include "runtime/sync/wait_list.hpp"
#include "weft/detail/channel_core.hpp"
#include "weft/error.hpp"

namespace weft::detail {

channel_core::channel_core(const item_type& type, std::size_t capacity)
    : type_(type), capacity_(capacity) {
  if (capacity > SIZE_MAX / 2 / type.size)
    throw std::length_error("weft::channel: its buffer is allocated at once, and this capacity is "
                            "more than there is memory; use weft::queue for an unbounded one");
  if (capacity > 0)
    buffer_ = static_cast<std::byte*>(::operator new(capacity* type.size, type.alignment));
}

channel_core::~channel_core() {
  for (; size_ > 0; --size_) {
    type_.destroy(slot(0));
    if (++first_ == capacity_) first_ = 0;
  }
  if (buffer_) ::operator delete(buffer_, type_.alignment);
}

void channel_core::throw_closed() {
  throw channel_closed("weft: send into a channel that was closed");
}

void* channel_core::slot(std::size_t i) noexcept {
  const std::size_t at = first_ + i;
  return buffer_ + (at < capacity_ ? at : at - capacity_) * type_.size;
}

channel_answer channel_core::try_send(void* item, wait_chain& woken) {
  if (closed_) return channel_answer::closed;
  while (waiter* first = receivers_.first()) {
    channel_waiter& receiver = channel_waiter_of(*first);
    if (serve(receivers_, receiver, woken, [&] { type_.deliver(receiver.payload, item); }))
      return channel_answer::done;
  }
  if (size_ == capacity_) return channel_answer::timed_out;
  type_.store(slot(size_), item);
  ++size_;
  return channel_answer::done;
}

channel_answer channel_core::try_receive(void* optional, wait_chain& woken) {
  if (size_ > 0) {
    void* const oldest = slot(0);
    type_.deliver(optional, oldest);
    type_.destroy(oldest);
    if (++first_ == capacity_) first_ = 0;
    --size_;
    if (!senders_.empty()) let_sender_in(woken);
    return channel_answer::done;
  }
  while (waiter* first = senders_.first()) {
    channel_waiter& sender = channel_waiter_of(*first);
    if (serve(senders_, sender, woken, [&] { type_.deliver(optional, sender.payload); }))
      return channel_answer::done;
  }
  return closed_ ? channel_answer::closed : channel_answer::timed_out;
}

/// There is room for one. An item that cannot be moved is its sender's trouble, and the next
/// one's turn.
void channel_core::let_sender_in(wait_chain& woken) noexcept {
  while (waiter* first = senders_.first()) {
    channel_waiter& sender = channel_waiter_of(*first);
    const bool served = serve(senders_, sender, woken, [&] {
      try {
        type_.store(slot(size_), sender.payload);
      } catch (...) {
        sender.error = std::current_exception();
        sender.answer = channel_answer::failed;
      }
    });
    if (!served || sender.answer == channel_answer::failed) continue;
    ++size_;
    return;
  }
}

namespace {

channel_answer answer_of(channel_waiter& w, std::unique_lock<sync_lock>& held, waited how) {
  if (how != waited::woken) {
    finish_wait(held, how);
    return channel_answer::timed_out;
  }
  if (w.answer == channel_answer::failed) std::rethrow_exception(std::move(w.error));
  return w.answer;
}

} // namespace

channel_answer channel_core::wait_as(channel_waiter& w, std::unique_lock<sync_lock>& held,
                                     wait_list& list, std::int64_t until, blocking_call call) {
  list.push_back(w);
  return answer_of(w, held, wait_in(held, list, w, until, call));
}

/// Of one that parked without further ado.
[[gnu::noinline]] channel_answer channel_core::end_wait(channel_waiter& w, wait_list& list,
                                                        waited how, blocking_call call) {
  std::unique_lock held(lock_, std::defer_lock);
  return answer_of(w, held, how == waited::woken ? how : leave(held, list, w, how, call));
}

// send and receive begin with what two fibers of one hub do that hand items over: the item goes to
// the other one's stack, or this one parks. All else is done slowly, from the beginning.

namespace {

/// Whether the first that waits is a fiber of this hub, in `send` or `receive`.
inline channel_waiter* neighbour(const hub* here, waiter* first) noexcept {
  if (!first || first->home != here) return nullptr;
  channel_waiter& w = channel_waiter_of(*first);
  return w.select ? nullptr : &w;
}

/// Whether a call that has to wait may park at once.
inline bool may_park(const hub* here, std::int64_t until) noexcept {
  return until > 0 && here->running() && !here->running()->has(interrupt_requested);
}

/// Holds a lock that was taken by `enter`.
struct entered {
  sync_lock& lock;
  ~entered() { lock.leave(); }
};

} // namespace

/// What `send` and `receive` end with if they wait for another fiber of this hub: releases the lock
/// and parks.
struct channel_parking {
  static channel_answer park(channel_core& c, wait_list& list, void* payload, std::int64_t until,
                             blocking_call call,
                             const void*& last_to_park) asm("weft_channel_park");
  [[gnu::used]] static channel_answer
  park_here(channel_core& c, wait_list& list, void* payload, std::int64_t until, blocking_call call,
            const void*& last_to_park) asm("weft_channel_park_here");
};
WEFT_GO_BACK_AS_PREDICTED("weft_channel_park", "weft_channel_park_here");

channel_answer channel_parking::park_here(channel_core& c, wait_list& list, void* payload,
                                          std::int64_t until, blocking_call call,
                                          const void*& /*last_to_park*/) {
  hub* const here = this_hub;
  channel_waiter self(here, here->running());
  self.payload = payload;
  list.push_back(self);
  c.lock_.leave();
  const waited how = waited_of(park_in(self, until, call, nullptr, true));
  if (how != waited::woken || self.answer == channel_answer::failed) [[unlikely]]
    return c.end_wait(self, list, how, call);
  return self.answer;
}

channel_answer channel_core::send(void* item, std::int64_t until) {
  hub* const here = this_hub;
  if (!lock_.enter(here)) [[unlikely]]
    return send_slowly(item, until);
  if (channel_waiter* receiver = neighbour(here, receivers_.first())) [[likely]] {
    {
      const entered held{lock_};
      type_.deliver(receiver->payload, item);
      receivers_.take_first(*receiver);
    }
    resume_at_home(*receiver);
    return channel_answer::done;
  }
  if (size_ != capacity_ || closed_ || !receivers_.empty() || !may_park(here, until)) {
    lock_.leave();
    return send_slowly(item, until);
  }
  return channel_parking::park(*this, senders_, item, until, blocking_call::channel_send,
                               here->last_to_park_in_channel());
}

channel_answer channel_core::receive(void* optional, std::int64_t until) {
  hub* const here = this_hub;
  if (!lock_.enter(here)) [[unlikely]]
    return receive_slowly(optional, until);
  if (size_ != 0 || closed_) {
    lock_.leave();
    return receive_slowly(optional, until);
  }
  if (channel_waiter* sender = neighbour(here, senders_.first())) [[likely]] {
    {
      const entered held{lock_};
      type_.deliver(optional, sender->payload);
      senders_.take_first(*sender);
    }
    resume_at_home(*sender);
    return channel_answer::done;
  }
  if (!senders_.empty() || !may_park(here, until)) {
    lock_.leave();
    return receive_slowly(optional, until);
  }
  return channel_parking::park(*this, receivers_, optional, until, blocking_call::channel_receive,
                               here->last_to_park_in_channel());
}

[[gnu::noinline]] channel_answer channel_core::send_slowly(void* item, std::int64_t until) {
  std::unique_lock held(lock_);
  wait_chain woken;
  const channel_answer answer = try_send(item, woken);
  if (answer != channel_answer::timed_out || until == no_wait) {
    held.unlock();
    resume_all(woken.first());
    return answer;
  }
  channel_waiter self;
  self.payload = item;
  return wait_as(self, held, senders_, until, blocking_call::channel_send);
}

[[gnu::noinline]] channel_answer channel_core::receive_slowly(void* optional, std::int64_t until) {
  std::unique_lock held(lock_);
  wait_chain woken;
  const channel_answer answer = try_receive(optional, woken);
  if (answer != channel_answer::timed_out || until == no_wait) {
    held.unlock();
    resume_all(woken.first());
    return answer;
  }
  channel_waiter self;
  self.payload = optional;
  return wait_as(self, held, receivers_, until, blocking_call::channel_receive);
}

void channel_core::close() noexcept {
  std::unique_lock held(lock_);
  closed_ = true;
  wait_chain woken;
  for (wait_list* list : {&receivers_, &senders_})
    while (waiter* first = list->first()) {
      channel_waiter& w = channel_waiter_of(*first);
      serve(*list, w, woken, [&] { w.answer = channel_answer::closed; });
    }
  held.unlock();
  resume_all(woken.first());
}

bool channel_core::closed() const noexcept {
  const std::lock_guard held(lock_);
  return closed_;
}

bool channel_core::exhausted() const noexcept {
  const std::lock_guard held(lock_);
  return closed_ && size_ == 0;
}

std::size_t channel_core::size() const noexcept {
  const std::lock_guard held(lock_);
  return size_;
}

} // namespace weft::detail

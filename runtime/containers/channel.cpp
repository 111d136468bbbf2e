// SPDX-License-Identifier: BSL-1.0
#include <stdexcept>

#include "runtime/containers/select_wait.hpp"
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

channel_answer channel_core::wait_as(channel_waiter& w, std::unique_lock<sync_lock>& held,
                                     wait_list& list, std::int64_t until, blocking_call call) {
  list.push_back(w);
  const waited how = wait_in(held, list, w, until, call);
  if (how != waited::woken) {
    finish_wait(held, how);
    return channel_answer::timed_out;
  }
  if (w.answer == channel_answer::failed) std::rethrow_exception(std::move(w.error));
  return w.answer;
}

channel_answer channel_core::send(void* item, std::int64_t until) {
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

channel_answer channel_core::receive(void* optional, std::int64_t until) {
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

// SPDX-License-Identifier: BSL-1.0
#include "weft/select.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>

#include "runtime/containers/select_wait.hpp"

namespace weft::detail {
namespace {

/// xorshift64*, one a thread: it only has to be fair.
std::size_t random_below(std::size_t n) noexcept {
  thread_local std::uint64_t random = 0;
  if (random == 0)
    random =
        static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) | 1;
  random ^= random >> 12;
  random ^= random << 25;
  random ^= random >> 27;
  return static_cast<std::size_t>(((random * 0x2545F4914F6CDD1DULL) >> 32) % n);
}

/// An array that needs no memory if it is short, as in most selects.
template <class T>
class short_array {
 public:
  explicit short_array(std::size_t n) {
    if (n > few_.size()) many_ = std::make_unique<T[]>(n);
  }
  T& operator[](std::size_t i) noexcept { return many_ ? many_[i] : few_[i]; }
  T* data() noexcept { return &(*this)[0]; }

 private:
  std::array<T, 4> few_{};
  std::unique_ptr<T[]> many_;
};

} // namespace

/// One call of select.
class select_call {
 public:
  explicit select_call(std::span<select_case* const> cases)
      : cases_(cases), order_(cases.size()), channels_(cases.size()), nodes_(cases.size()) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      if (cases[i]->channel) channels_[channels_used_++] = cases[i]->channel;
      const std::size_t other = random_below(i + 1);
      order_[i] = order_[other];
      order_[other] = i;
    }
    channel_core** const first = channels_.data();
    std::sort(first, first + channels_used_, std::less<>());
    channels_used_ = static_cast<std::size_t>(std::unique(first, first + channels_used_) - first);
  }

  select_result run(std::int64_t until) {
    std::unique_lock all(*this);
    wait_chain woken;
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      const std::size_t number = order_[i];
      select_case& c = *cases_[number];
      if (!c.channel) continue;
      const channel_answer answer = c.sends ? c.channel->try_send(c.payload, woken)
                                            : c.channel->try_receive(c.payload, woken);
      if (answer == channel_answer::timed_out) continue;
      all.unlock();
      resume_all(woken.first());
      return {number, answer};
    }
    if (until == channel_core::no_wait) return {};
    select_wait wait;
    std::unique_lock held(wait.lock);
    enter_lists(wait);
    all.unlock();
    const waited how = wait_in(held, wait.list, wait.self, until, blocking_call::select);
    if (how != waited::woken) held.unlock();
    leave_lists();
    if (how != waited::woken) {
      held.lock();
      finish_wait(held, how);
      return {};
    }
    channel_waiter& chosen = *wait.chosen;
    if (chosen.answer == channel_answer::failed) std::rethrow_exception(std::move(chosen.error));
    return {chosen.number, chosen.answer};
  }

  // Of all channels, by address.
  void lock() noexcept {
    for (std::size_t i = 0; i < channels_used_; ++i)
      channels_[i]->lock_.lock();
  }
  void unlock() noexcept {
    for (std::size_t i = channels_used_; i > 0; --i)
      channels_[i - 1]->lock_.unlock();
  }

 private:
  static wait_list& list_of(const select_case& c) noexcept {
    return c.sends ? c.channel->senders_ : c.channel->receivers_;
  }

  void enter_lists(select_wait& wait) {
    wait.list.push_back(wait.self);
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      if (!cases_[i]->channel) continue;
      channel_waiter& node = nodes_[i].emplace();
      node.payload = cases_[i]->payload;
      node.select = &wait;
      node.number = i;
      list_of(*cases_[i]).push_back(node);
    }
  }

  /// Nobody looks at a node any more once this had its channel's lock.
  void leave_lists() noexcept {
    for (std::size_t i = 0; i < cases_.size(); ++i) {
      if (!cases_[i]->channel) continue;
      const std::lock_guard held(cases_[i]->channel->lock_);
      list_of(*cases_[i]).remove(*nodes_[i]);
    }
  }

  std::span<select_case* const> cases_;
  short_array<std::size_t> order_; // in which they are tried: a random permutation
  short_array<channel_core*> channels_;
  std::size_t channels_used_ = 0;
  short_array<std::optional<channel_waiter>> nodes_;
};

select_result select_among(std::span<select_case* const> cases, std::int64_t until) {
  if (cases.empty()) throw std::invalid_argument("weft::select: no cases; give it at least one");
  return select_call(cases).run(until);
}

void throw_nothing_to_send() {
  throw std::logic_error("weft::select: the item of this on_send was sent already; set item() "
                         "anew, or make a new case");
}

} // namespace weft::detail

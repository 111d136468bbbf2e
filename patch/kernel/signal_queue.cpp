// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/signal_queue.hpp"

#include "patch/kernel/object_pool.hpp"

namespace weft::patch {
namespace {

constexpr int first_realtime = 32;
constinit object_pool<queued_signal> nodes;

} // namespace

void signal_queue::push(const siginfo_t& info) noexcept {
  const std::uint64_t bit = signal_bit(info.si_signo);
  if ((set_ & bit) && (overrun(info) || info.si_signo < first_realtime)) return;
  set_ |= bit;
  if (queued_signal* node = nodes.make()) {
    node->info = info;
    queue_.push_back(*node);
  }
}

bool signal_queue::pop(std::uint64_t among, siginfo_t& info) noexcept {
  const std::uint64_t set = set_ & among;
  if (!set) return false;
  const int number = __builtin_ctzll(set) + 1;
  queued_signal* first = nullptr;
  bool more = false;
  queue_.for_each([&](queued_signal& node) {
    if (node.info.si_signo != number) return;
    if (first) more = true;
    if (!first) first = &node;
  });
  if (first) {
    info = first->info;
    first->unlink();
    nodes.destroy(first);
  } else {
    info = siginfo_t{};
    info.si_signo = number;
    info.si_code = SI_USER;
  }
  if (!more) set_ &= ~signal_bit(number);
  return true;
}

/// A timer has at most one signal pending, which counts the others.
bool signal_queue::overrun(const siginfo_t& info) noexcept {
  if (info.si_code != SI_TIMER) return false;
  bool found = false;
  queue_.for_each([&](queued_signal& node) {
    if (node.info.si_signo != info.si_signo || node.info.si_code != SI_TIMER ||
        node.info.si_timerid != info.si_timerid)
      return;
    node.info.si_overrun += info.si_overrun + 1;
    found = true;
  });
  return found;
}

void signal_queue::drop_timer(int id) noexcept {
  if (!set_) return;
  int dropped = 0; // a timer has one
  queue_.for_each([&](queued_signal& node) {
    if (node.info.si_code != SI_TIMER || node.info.si_timerid != id) return;
    dropped = node.info.si_signo;
    node.unlink();
    nodes.destroy(&node);
  });
  bool more = dropped == 0;
  queue_.for_each([&](queued_signal& node) { more = more || node.info.si_signo == dropped; });
  if (!more) set_ &= ~signal_bit(dropped);
}

void signal_queue::clear() noexcept {
  while (!queue_.empty())
    nodes.destroy(&queue_.pop_front());
  set_ = 0;
}

} // namespace weft::patch

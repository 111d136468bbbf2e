// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <mutex>

#include "weft/detail/channel_core.hpp"

namespace weft::detail {

/// A select that waits: in the lists of several channels by a node for each case, and as `self` in
/// its own list, out of which exactly one of those channels takes it. Order of locks: those of
/// channels by address, then this.
struct select_wait {
  sync_lock lock;
  wait_list list;
  waiter self;
  channel_waiter* chosen = nullptr;
};

/// Serves `w`, which is in `list`, by `move`, and takes it out. If `move` throws it still waits.
/// False if it is a case of a select that another case has ended: then it is just taken out. With
/// the channel's lock held: a select does not go away before it had that for each of its nodes.
template <class Move>
bool serve(wait_list& list, channel_waiter& w, wait_chain& woken, Move&& move) {
  if (!w.select) {
    move();
    list.remove(w);
    woken.push_back(w);
    return true;
  }
  select_wait& select = *w.select;
  const std::lock_guard held(select.lock);
  if (select.list.empty()) {
    list.remove(w);
    return false;
  }
  move();
  list.remove(w);
  select.chosen = &w;
  woken.push_back(*select.list.take_front());
  return true;
}

inline channel_waiter& channel_waiter_of(waiter& w) noexcept {
  return static_cast<channel_waiter&>(w);
}

} // namespace weft::detail

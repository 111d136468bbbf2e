// SPDX-License-Identifier: BSL-1.0
#include <memory>

#include "runtime/sched/callback.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"
#include "weft/future.hpp"

namespace weft::detail {
namespace {

/// First waits with the state, then, on the hub that added it, in the ready queue.
struct done_callback : completion, callback_item {
  std::unique_ptr<callback_base> user;
  bool keeps_home = false;
};

void call_and_delete(done_callback* c) noexcept {
  const std::unique_ptr<done_callback> mine(c);
  if (mine->keeps_home) mine->home->drop();
  run_callback("a done callback", [&] { mine->user->call(); });
}

void deliver(inbox_item& item) noexcept {
  auto* c = static_cast<done_callback*>(&item);
  hub* h = this_hub;
  if (c->home && c->home == h)
    h->make_ready(*c);
  else if (h)
    h->as_callback([&] { call_and_delete(c); });
  else
    call_and_delete(c);
}

} // namespace

void add_callback(state& s, std::unique_ptr<callback_base> callback) {
  auto c = std::make_unique<done_callback>();
  c->user = std::move(callback);
  c->home = this_hub;
  c->deliver = &deliver;
  c->run = [](callback_item& item) noexcept {
    call_and_delete(static_cast<done_callback*>(&item));
  };
  if (c->home && c->home != s.home) {
    c->home->keep();
    c->keeps_home = true;
  }
  done_callback* raw = c.release();
  if (!attach(s, *raw)) deliver(*raw);
}

} // namespace weft::detail

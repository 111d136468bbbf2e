// SPDX-License-Identifier: BSL-1.0
#include "weft/std_future.hpp"

#include "runtime/sched/callback.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"

namespace weft::detail {
namespace {

/// Has no home, so that no hub has to run for it: its thread may be the one that is blocked in
/// what waits for this call.
struct settled_call : completion {
  std::unique_ptr<callback_base> user;
};

void deliver(inbox_item& item) noexcept {
  const std::unique_ptr<settled_call> mine(static_cast<settled_call*>(&item));
  const auto call = [&] { run_callback("a done callback", [&] { mine->user->call(); }); };
  if (hub* h = this_hub)
    h->as_callback(call);
  else
    call();
}

} // namespace

void when_settled(state& s, std::unique_ptr<callback_base> call) {
  auto c = std::make_unique<settled_call>();
  c->user = std::move(call);
  c->deliver = &deliver;
  settled_call* const raw = c.release();
  if (!attach(s, *raw)) deliver(*raw);
}

} // namespace weft::detail

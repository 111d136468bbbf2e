// SPDX-License-Identifier: BSL-1.0
#include "weft/hub_handle.hpp"

#include "runtime/sched/callback.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/inbox.hpp"

namespace weft {

hub_handle::hub_handle(const hub_handle& other) noexcept : hub_(other.hub_) {
  if (hub_) hub_->keep();
}

hub_handle::~hub_handle() {
  if (hub_) hub_->drop();
}

bool hub_handle::alive() const noexcept {
  return hub_ && hub_->takes_messages();
}

hub_handle this_hub_handle() {
  hub_handle handle;
  handle.hub_ = &hub::here();
  handle.hub_->keep();
  return handle;
}

namespace detail {
namespace {

/// First in the inbox, if it comes from another thread, then in the ready queue.
struct queued_call final : inbox_item, callback_item {
  explicit queued_call(std::unique_ptr<callback_base> c) noexcept : user(std::move(c)) {
    deliver = [](inbox_item& item) noexcept {
      this_hub->make_ready_last(static_cast<queued_call&>(item));
    };
    run = [](callback_item& item) noexcept {
      const std::unique_ptr<queued_call> mine(static_cast<queued_call*>(&item));
      run_callback("a call_soon callback", [&] { mine->user->call(); });
    };
  }
  std::unique_ptr<callback_base> user;
};

} // namespace

void call_on_this_hub(std::unique_ptr<callback_base> call) {
  hub& here = hub::here();
  auto queued = std::make_unique<queued_call>(std::move(call));
  here.make_ready_last(*queued.release());
}

bool call_on(const hub_handle& on, std::unique_ptr<callback_base> call) {
  if (!on.hub_) return false;
  auto queued = std::make_unique<queued_call>(std::move(call));
  if (on.hub_ == this_hub)
    on.hub_->make_ready_last(*queued);
  else if (!on.hub_->post(*queued))
    return false;
  static_cast<void>(queued.release());
  return true;
}

} // namespace detail
} // namespace weft

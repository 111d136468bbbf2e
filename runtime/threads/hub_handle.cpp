// SPDX-License-Identifier: BSL-1.0
#include "weft/hub_handle.hpp"

#include "runtime/sched/callback.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/hub_group.hpp"
#include "runtime/sched/inbox.hpp"

namespace weft {

hub_handle::hub_handle(hub& h) noexcept : hub_(&h) {
  h.keep();
}

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
  return hub_handle(hub::here());
}

std::vector<hub_handle> hubs() {
  hub& here = hub::here();
  std::vector<hub_handle> all;
  const detail::hub_group* const group = here.group();
  if (!group) all.push_back(hub_handle(here));
  for (unsigned i = 0; group && i < group->size(); ++i)
    all.push_back(hub_handle(group->hub_at(i)));
  return all;
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

hub* hub_of(const hub_handle& handle) noexcept {
  return handle.hub_;
}

bool call_on(const hub_handle& on, std::unique_ptr<callback_base> call) {
  hub* const h = hub_of(on);
  if (!h) return false;
  auto queued = std::make_unique<queued_call>(std::move(call));
  if (h == this_hub)
    h->make_ready_last(*queued);
  else if (!h->post(*queued))
    return false;
  static_cast<void>(queued.release());
  return true;
}

} // namespace detail
} // namespace weft

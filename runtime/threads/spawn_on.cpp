// SPDX-License-Identifier: BSL-1.0
#include "weft/spawn_on.hpp"

#include "runtime/sched/homeless.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/hub_group.hpp"

namespace weft::detail {

state& new_fiber_on(const hub_handle& on, const state_type& type, const spawn_options* options) {
  const hub* const h = hub_of(on);
  if (!h)
    throw std::invalid_argument(
        "weft: spawn_on with a handle that refers to no hub; take one of hubs()");
  return h == this_hub ? new_fiber(type, options) : new_homeless_fiber(type, options);
}

void queue_fiber_on(const hub_handle& on, state& s) noexcept {
  if (s.home)
    queue_fiber(s);
  else
    send(homeless(s), *hub_of(on));
}

state& new_fiber_for_any(const state_type& type, const spawn_options* options) {
  return hub::here().group() ? new_homeless_fiber(type, options) : new_fiber(type, options);
}

void queue_fiber_for_any(state& s) noexcept {
  if (s.home) return queue_fiber(s);
  hub& here = *this_hub; // and in the group still: nothing can have switched
  here.group()->share(here.place(), homeless(s));
}

} // namespace weft::detail

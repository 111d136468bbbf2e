// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/debugger_map.h"

#include <cstddef>

#include "runtime/sched/hub.hpp"
#include "runtime/sched/process.hpp"

// The offsets of classes with bases are well-defined in every compiler that builds this.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

extern "C" [[gnu::visibility("default")]] const weft_debugger_entry weft_debugger_map[];

namespace weft::detail {

/// A friend of what it describes.
struct debugger_map {
  static constexpr auto hub_number = offsetof(hub, number_);
  static constexpr auto hub_thread = offsetof(hub, thread_id_);
  static constexpr auto hub_running = offsetof(hub, running_);
  static constexpr auto hub_slabs = offsetof(hub, blocks_) + offsetof(block_pool, slabs_);
  static constexpr auto hub_visitors = offsetof(hub, visitors_);
  // Bases stand in their order, each as large as it is a multiple of its alignment.
  static constexpr auto visitor_hook = sizeof(state) + sizeof(inbox_item);
  static_assert(sizeof(homeless_fiber) == visitor_hook + sizeof(core::list_hook<>) + 16);
  static constexpr auto slab_made = offsetof(block_pool::slab, made);
  static constexpr auto slab_header = block_pool::header_bytes;
};

} // namespace weft::detail

using weft::detail::debugger_map;
using weft::detail::fiber_extras;
using weft::detail::phase;
using weft::detail::state;

const weft_debugger_entry weft_debugger_map[] = {
    {"hubs", 0, &weft::detail::registry},
    {"hub.number", debugger_map::hub_number, nullptr},
    {"hub.thread", debugger_map::hub_thread, nullptr},
    {"hub.running", debugger_map::hub_running, nullptr},
    {"hub.slabs", debugger_map::hub_slabs, nullptr},
    {"hub.visitors", debugger_map::hub_visitors, nullptr},
    {"visitor.hook", debugger_map::visitor_hook, nullptr},
    {"slab.made", debugger_map::slab_made, nullptr},
    {"slab.header", debugger_map::slab_header, nullptr},
    {"state.size", sizeof(state), nullptr},
    {"state.id", offsetof(state, id), nullptr},
    {"state.spawner", offsetof(state, spawner), nullptr},
    {"state.phase", offsetof(state, where), nullptr},
    {"state.context", offsetof(state, context), nullptr},
    {"state.stack", offsetof(state, stack), nullptr},
    {"state.stack_class", offsetof(state, stack_class), nullptr},
    {"identity_class", weft::detail::identity_class, nullptr},
    {"identity.suspended", offsetof(weft::detail::identity, suspended), nullptr},
    {"state.flags", offsetof(state, flags), nullptr},
    {"state.extras", offsetof(state, extras), nullptr},
    {"extras.name", offsetof(fiber_extras, name), nullptr},
    {"phases", 0, "free promise callback later unstarted ready running parked finished"},
    {"phase.parked", static_cast<unsigned long>(phase::parked), nullptr},
    {"flag.thread_fiber", weft::detail::thread_fiber, nullptr},
    {nullptr, 0, nullptr},
};

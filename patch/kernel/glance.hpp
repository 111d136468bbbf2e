// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "runtime/core/clock.hpp"

/// What the monitor sees of things that belong to whoever is inside weft: read without the lock, as
/// it may not wait for that. A stale answer is as good as one a moment ago, since it looks again
/// before it sleeps for long, and whatever it does is decided anew by a compare-and-swap or under
/// the lock. Nothing is followed that could go away, and each of these is one word at a time.
///
/// All such reads are here, out of line, so that ThreadSanitizer can be told to pass over them and
/// over nothing else.
namespace weft::patch {

struct machine;
struct processor;

namespace glance {

[[nodiscard]] bool is_queue_empty(const processor& p) noexcept;
/// As machine's and processor_set's functions of these names.
[[nodiscard]] bool is_anything_ready(machine& m) noexcept;
[[nodiscard]] bool is_shared_queue_empty(machine& m) noexcept;
[[nodiscard]] unsigned idle(machine& m) noexcept;
[[nodiscard]] bool is_there_a_poller(machine& m) noexcept;
[[nodiscard]] core::nanoseconds next_due(machine& m) noexcept;
/// Whether somebody waits for events, or for a clock to be set, and for which descriptor's.
[[nodiscard]] bool awaits_events(machine& m) noexcept;
/// Whether transfers wait to be made.
[[nodiscard]] bool are_transfers_queued(machine& m) noexcept;
[[nodiscard]] int epoll_descriptor(machine& m) noexcept;

} // namespace glance
} // namespace weft::patch

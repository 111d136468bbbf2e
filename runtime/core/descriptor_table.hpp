// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "runtime/core/list.hpp"
#include "runtime/core/sparse_table.hpp"

namespace weft::core {

struct io_waiter;

/// What a reactor knows about one descriptor number; as made, it knows nothing. Of one cache line:
/// each event of thousands of descriptors touches it anew.
struct alignas(64) descriptor {
  enum class kind : std::uint8_t { unknown, tcp_stream, other };

  list<io_waiter> waiters;
  std::uint32_t generation = 0; // bumped whenever the number is made as new
  std::uint32_t changes = 0;    // readiness changes seen: the ticket
  std::uint8_t not_ready = 0;   // io_in, io_out, io_priority known not to be ready
  bool registered = false;
  bool unverified = false; // in a list of those to be verified
  kind type = kind::unknown;
  std::uint16_t seen = 0; // sticky: hang-ups, errors and urgent data that came

  // For the reactor's owner to keep what it knows of the file; cleared when the number is made
  // as new.
  std::uint8_t notes = 0;
  std::uint32_t epoch = 0;
  std::uint32_t receive_timeout = 0;
  std::uint32_t send_timeout = 0;
  // Who uses the number just now without the owner's lock; the owner's as well, but not cleared.
  std::uint32_t users = 0;

  std::uint32_t changes_then = 0; // at the last audit
  int number = -1;
  descriptor* next_unverified = nullptr;
};
static_assert(sizeof(descriptor) == 64);

} // namespace weft::core

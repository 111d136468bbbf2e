// SPDX-License-Identifier: BSL-1.0
#pragma once

// Where a thread waits for tokens, and others hand them to it.

#include "tests/stress/tokens/plan.hpp"

#include <cstdint>
#include <memory>

namespace tokens {

/// A token on its way.
struct message {
  std::int64_t token; // `the_end`: there are no more
  std::uint64_t hops;
  std::uint64_t path;
};
constexpr std::int64_t the_end = -1;

class mailbox {
 public:
  mailbox() = default;
  mailbox(const mailbox&) = delete;
  virtual ~mailbox() = default;
  /// Any thread may put; with no more tokens than `plan` gives a group, none waits for room.
  virtual void put(const message&) = 0;
  /// Waits for one. Only the thread whose mailbox it is takes.
  virtual message take() = 0;
  /// Once nobody puts or takes any more.
  virtual bool empty() = 0;
};

/// `chance` decides by which of the calls that can do it.
std::unique_ptr<mailbox> make_mailbox(kind, std::uint64_t chance);

} // namespace tokens

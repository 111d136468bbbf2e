// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// A message to a hub: `deliver` is called once on the hub's thread. It must not block or throw.
struct inbox_item {
  inbox_item* next_in_inbox = nullptr;
  void (*deliver)(inbox_item&) noexcept = nullptr;
};

} // namespace detail
} // namespace weft

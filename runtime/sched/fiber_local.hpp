// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "weft/detail/local_value.hpp"
#include "weft/detail/state.hpp"

namespace weft::detail {

/// What was set of inherited_locals: shared by the fibers that inherited it, never changed.
using inherited_values = std::vector<std::pair<std::uint64_t, std::shared_ptr<const void>>>;

/// A fiber's or thread's values.
struct local_store {
  std::vector<local_value*> by_index;
  local_value* newest = nullptr;
  unsigned generation = 0; // of values made now; above 0 while values are being destroyed
  std::shared_ptr<const inherited_values> inherited;

  local_store() = default;
  local_store(const local_store&) = delete;
  local_store& operator=(const local_store&) = delete;
  ~local_store() { destroy_values(); }
  void destroy_values() noexcept;
};

/// At the end of a fiber that has extras.
void end_locals(state& fiber) noexcept;
/// In a forked child, of a fiber that is lost.
void abandon_locals(state& fiber) noexcept;
/// A new fiber gets what `spawner` has. Throws std::bad_alloc.
void inherit_locals(const state& spawner, state& fiber);
/// What the caller has of them, and giving it to a fiber that has not started; null: none.
std::shared_ptr<const inherited_values> current_inherited() noexcept;
void set_inherited_of(state& fiber, std::shared_ptr<const inherited_values> values);
/// Whether the calling thread, which is getting a hub, has something to be inherited.
bool thread_has_inherited() noexcept;

} // namespace weft::detail

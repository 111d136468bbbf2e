// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <weft/task.hpp>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

class group_core;
struct group_member;

/// A place in a group for one more member, which is given back unless it is filled.
class group_slot {
 public:
  /// `until` of one that does not wait.
  static constexpr std::int64_t no_wait = -1;

  /// Waits until there is one; throws `deadlock_error` if only those who wait so could free one.
  group_slot(group_core& group, std::int64_t until);
  group_slot(const group_slot&) = delete;
  group_slot& operator=(const group_slot&) = delete;
  ~group_slot();

  /// Whether there was one.
  explicit operator bool() const noexcept { return member_ != nullptr; }
  /// The fiber or future is a member until it is done.
  void fill(state& s) noexcept;

 private:
  group_core& group_;
  group_member* member_ = nullptr;
};

/// A group's handle of what its members share with it, which outlives the group if they do.
class group_ref {
 public:
  explicit group_ref(std::size_t capacity);
  group_ref(const group_ref&) = delete;
  group_ref& operator=(const group_ref&) = delete;
  /// Cancels all members and waits until they are at their end (not for the caller itself; inside a
  /// callback, which may not wait, for nobody).
  ~group_ref();
  [[nodiscard]] group_core& operator*() const noexcept { return *core_; }

 private:
  group_core* core_;
};

bool group_contains(group_core& group, const state& s) noexcept;
bool group_discard(group_core& group, state& s) noexcept;
std::size_t group_size(group_core& group) noexcept;
std::size_t group_free(group_core& group) noexcept;
std::size_t group_capacity(group_core& group) noexcept;
std::vector<any_task> group_members(group_core& group);
void group_cancel(group_core& group) noexcept;
bool group_join(group_core& group, std::int64_t until);
bool group_kill(group_core& group, std::int64_t until);
bool group_wait_available(group_core& group, std::int64_t until);

} // namespace detail
} // namespace weft

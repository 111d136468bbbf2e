// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <memory>

/// What fiber_local and inherited_local keep with a fiber. Not part of the interface.
namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// Names one fiber_local in all fibers: a place in their tables, and a number that is never used
/// again, since the place is.
class local_key {
 public:
  local_key();
  local_key(const local_key&) = delete;
  local_key& operator=(const local_key&) = delete;
  ~local_key();

  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

 private:
  std::uint32_t index_;
  std::uint64_t id_;
};

/// The head of a value, which is destroyed with what is behind it.
struct local_value {
  local_value() = default;
  local_value(const local_value&) = delete;
  local_value& operator=(const local_value&) = delete;
  virtual ~local_value() = default;

  std::uint64_t key = 0;
  std::uint32_t index = 0;
  std::uint32_t generation = 0; // above 0: made by the destructor of one of the generation before
  local_value* older = nullptr; // made before this one in the same fiber
};

/// The caller's value of `key`; null if it has none.
local_value* find_local(const local_key& key) noexcept;
/// Makes it the caller's, who has none.
local_value& add_local(const local_key& key, std::unique_ptr<local_value> value);
/// Destroys the caller's.
void remove_local(const local_key& key) noexcept;
[[noreturn]] void refuse_null_initialiser();

// Inherited ones: values are shared and never change.

std::uint64_t new_inherited_key() noexcept;
const void* find_inherited(std::uint64_t key) noexcept;
/// Null: as if it had never been set.
void set_inherited(std::uint64_t key, std::shared_ptr<const void> value);
std::shared_ptr<const void> copy_inherited(std::uint64_t key) noexcept;
/// Of the fiber or thread that calls; no other has the same.
std::uint64_t local_owner() noexcept;

} // namespace detail
} // namespace weft

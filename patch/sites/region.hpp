// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "patch/sites/object.hpp"

namespace weft::patch {

/// A stretch of code, decoded from a known beginning, with its instruction boundaries and the
/// places that its own branches go to.
class code_region {
 public:
  static constexpr std::size_t max_size = 1 << 18;

  /// Decodes [begin, end) of the object. Stops early where there is no instruction, and at
  /// max_size.
  void decode(const object_view& object, const std::uint8_t* begin,
              const std::uint8_t* end) noexcept;

  [[nodiscard]] const std::uint8_t* begin() const noexcept { return begin_; }
  [[nodiscard]] const std::uint8_t* end() const noexcept { return end_; }

  /// How far decoding came.
  [[nodiscard]] const std::uint8_t* decoded_end() const noexcept { return decoded_end_; }
  [[nodiscard]] bool complete() const noexcept { return complete_; }
  /// Whether it may jump to places that neither its instructions nor its jump tables show.
  [[nodiscard]] bool has_unknown_jump() const noexcept { return has_unknown_jump_; }

  [[nodiscard]] bool is_boundary(const std::uint8_t* p) const noexcept {
    return marks(p) & boundary;
  }
  /// Whether a branch of this region or one of its jump tables may lead to `p`.
  [[nodiscard]] bool is_target(const std::uint8_t* p) const noexcept { return marks(p) & target; }

  /// The instruction before the boundary `p`, null if there is none here.
  [[nodiscard]] const std::uint8_t* previous(const std::uint8_t* p) const noexcept;

 private:
  enum : std::uint8_t { boundary = 1, target = 2 };

  void mark_target(const std::uint8_t* p) noexcept {
    if (p >= begin_ && p < end_) marks_[p - begin_] |= target;
  }
  void mark_jump_table(const object_view& object, const std::uint8_t* table) noexcept;

  [[nodiscard]] std::uint8_t marks(const std::uint8_t* p) const noexcept {
    return p >= begin_ && p < end_ ? marks_[p - begin_] : 0;
  }

  const std::uint8_t* begin_ = nullptr;
  const std::uint8_t* end_ = nullptr;
  const std::uint8_t* decoded_end_ = nullptr;
  bool complete_ = false;
  bool has_unknown_jump_ = false;
  std::uint8_t marks_[max_size] = {};
};

} // namespace weft::patch

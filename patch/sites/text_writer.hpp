// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <span>

#include "patch/sites/object.hpp"
#include "patch/sites/plan.hpp"

namespace weft::patch {

/// One jump to be written into an object's text.
struct text_edit {
  site_plan plan;
  const std::uint8_t* destination = nullptr; // null: dropped
};

/// 0 if this process may change its text at all, else -errno (SELinux's execmod,
/// MemoryDenyWriteExecute). Tried on a page of our own, since an object that could not be made
/// executable again would be the end.
[[nodiscard]] long may_rewrite_text() noexcept;

/// Writes the jumps, segment by segment. Nothing of the object runs in this thread meanwhile, and
/// signals are blocked. 0 or -errno, and then the segment that failed and those after it are as
/// they were.
///
/// early: the text is writable and not executable for a moment, then as before.
/// Else: other threads go on executing it, so a changed copy of the text takes its place in one
/// step (mremap); /proc/self/maps then shows no file behind it.
[[nodiscard]] long write_text(const object_view& object, std::span<const text_edit> edits,
                              patch_mode mode) noexcept;

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <span>

#include "patch/sites/object.hpp"
#include "patch/sites/text_writer.hpp"

namespace weft::patch {

/// Drops (clears the destination of) those edits into whose inside some jump of the object
/// may lead, from another function or from a function's cold part, which lies elsewhere. Takes
/// every byte for the possible beginning of a branch, so it errs on the safe side. Returns how
/// many. Not reentrant.
std::size_t drop_entered_edits(const object_view& object, std::span<text_edit> edits) noexcept;

} // namespace weft::patch

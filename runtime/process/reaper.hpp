// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <memory>

namespace weft::detail {

class child;

/// Takes the status of a child for which nobody waits any more, as soon as it is at its end: on a
/// thread, which goes when there is nothing left to do.
void reap_later(std::shared_ptr<child> c) noexcept;

} // namespace weft::detail

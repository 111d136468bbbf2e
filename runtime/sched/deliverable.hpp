// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace weft::detail {

/// Whether an exception thrown here would reach a handler, or the fiber's end: not while another
/// one unwinds this fiber, and not inside a noexcept function or a destructor, where it would
/// end the process. Walks the stack (about 1 us a frame): only called when there is something
/// to throw.
/// (Not noexcept itself: it would find its own frame.)
bool may_throw_here();

} // namespace weft::detail

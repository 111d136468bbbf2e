// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <stop_token>

#include <weft/future.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
std::stop_token stop_token_of_state(state& s);
}

/// A std::stop_token for which stop is requested when `task` is cancelled: with the request, not
/// with its delivery, and even if the fiber swallows it. What is asked for afterwards has the
/// next request in mind. Requests made by `throw_into` do not count. Of a promise's future:
/// stop is requested when that is cancelled, so that whoever works on the result can give up.
///
///     auto job = weft::spawn([] {
///       std::stop_token stop = weft::this_fiber::stop_token();
///       weft::to_thread([stop] { while (!stop.stop_requested()) crunch(); }).get();
///     });
///
/// The token may be used on any thread, and outlive the task: then stop is not requested any more.
/// A std::stop_callback is called within the request, on the thread of the task's hub (that of a
/// promise: by who cancels). It may not block, and as std has it, if it throws the process ends.
/// Never blocks, no switch point; any thread (from another than the task's, each call costs some
/// memory for as long as the task lives). Throws `future_error` for an empty handle.
[[nodiscard]] inline std::stop_token stop_token_of(const future_base& task) {
  if (!task.valid()) detail::throw_no_state("stop_token_of");
  return detail::stop_token_of_state(*task.internal_state());
}

namespace this_fiber {
/// That of the fiber that calls. Without a fiber that could be cancelled (the thread's own, a
/// callback, a thread without a hub) one for which stop is never requested.
[[nodiscard]] std::stop_token stop_token();
} // namespace this_fiber

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include "runtime/core/clock.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/threads/pool_core.hpp"
#include "weft/offload.hpp"

/// How weft's own calls that would block the thread are called elsewhere. Both begin with a switch
/// point, and throw std::system_error if there is no thread to be had.
namespace weft::detail {

/// Has `f()`, which owns all that it uses, called on a thread of `io_pool`; empty if the time was
/// over first. When the wait ends early, `f` runs to its end by itself, or never if it did not
/// begin, and its result is destroyed.
template <class F>
auto call_detached(F f, core::nanoseconds until, blocking_call call) {
  using result_type = std::invoke_result_t<F&>;
  if (this_hub) this_hub->switch_point();
  future<result_type> result = *submit_call<result_type>(io_pool(), std::move(f), core::never);
  struct guard {
    future<result_type>& result;
    ~guard() { result.cancel(); } // no effect if it is done
  } unless_done{result};
  if (!wait_done(*result.internal_state(), until, call)) return std::optional<result_type>();
  return std::optional<result_type>(std::move(result).get());
}

} // namespace weft::detail

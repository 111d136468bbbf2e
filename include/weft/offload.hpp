// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/detail/blocking_call.hpp>
#include <weft/detail/state.hpp>
#include <weft/spawn.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {

/// Has `call(argument)` called on another thread and waits for its end; false if the time was over
/// before it began.
bool call_elsewhere(void (*call)(void*) noexcept, void* argument, std::int64_t until,
                    blocking_call name);

template <class F>
struct offloaded_call {
  using result = std::invoke_result_t<F&>;
  using stored = std::conditional_t<
      std::is_void_v<result>, bool,
      std::conditional_t<std::is_reference_v<result>, std::remove_reference_t<result>*, result>>;
  /// What a call with a limit gives.
  using limited = std::conditional_t<std::is_void_v<result>, bool, std::optional<stored>>;

  F& function;
  std::optional<stored> value = std::nullopt;
  std::exception_ptr error = nullptr;

  static void call(void* self) noexcept {
    auto& me = *static_cast<offloaded_call*>(self);
    try {
      if constexpr (std::is_void_v<result>) {
        std::invoke(me.function);
        me.value = true;
      } else if constexpr (std::is_reference_v<result>) {
        me.value = std::addressof(std::invoke(me.function));
      } else {
        me.value.emplace(std::invoke(me.function));
      }
    } catch (...) {
      me.error = std::current_exception();
    }
  }
  bool run(std::int64_t until) {
    if (!call_elsewhere(&call, this, until, blocking_call::offload)) return false;
    if (error) std::rethrow_exception(error);
    return true;
  }
};

} // namespace detail

/// Calls `f()` on another thread, parks the fiber meanwhile, and returns or rethrows what it gives:
/// for a call that blocks where weft cannot see it. Model: gevent's threadpool.apply.
///
///     std::string path = "/etc/hostname";
///     bool there = weft::offload([&] { return std::filesystem::exists(path); });
///
/// `f` may refer to whatever the caller's frame holds: once it has begun, this call waits for its
/// end, whatever is cancelled or expires meanwhile (which is thrown then, and the result is lost).
/// Before it began (every thread of weft's own pool is busy) the wait ends at once, and `f` never
/// runs. For what may take for ever, use to_thread, and let the job own what it uses.
///
/// Always a switch point. On a thread without a hub `f` is simply called. Inside a callback:
/// std::logic_error. Throws std::system_error if no thread could be had.
template <class F>
requires std::invocable<F&>
auto offload(F&& f) -> std::invoke_result_t<F&> {
  detail::refuse_null(f);
  detail::offloaded_call<std::remove_reference_t<F>> job{f};
  job.run(INT64_MAX);
  if constexpr (std::is_reference_v<std::invoke_result_t<F&>>)
    return static_cast<std::invoke_result_t<F&>>(**job.value);
  else if constexpr (!std::is_void_v<std::invoke_result_t<F&>>)
    return std::move(*job.value);
}

/// The same with a limit to the wait for a thread: empty (`false` of a void `f`) if `f` did not
/// begin in time.
template <class F>
requires(std::invocable<F&> &&
         !std::is_reference_v<std::invoke_result_t<F&>>) auto offload(deadline limit, F&& f) ->
    typename detail::offloaded_call<std::remove_reference_t<F>>::limited {
  detail::refuse_null(f);
  detail::offloaded_call<std::remove_reference_t<F>> job{f};
  const bool called = job.run(limit.absolute());
  if constexpr (std::is_void_v<std::invoke_result_t<F&>>)
    return called;
  else
    return std::move(job.value);
}

} // namespace weft

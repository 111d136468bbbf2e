// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

#include <weft/future.hpp>
#include <weft/promise.hpp>
#include <weft/thread_pool.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {

/// Calls `call` once `s` has an outcome: where that is set, or at once. It may not block.
void when_settled(state& s, std::unique_ptr<callback_base> call);

template <class T, class Source>
future<T> from_std_future(Source source) {
  if (!source.valid())
    throw future_error("weft: from_std of a std future without a state; it was default-made, moved "
                       "from, or has given its result already");
  const bool ready = source.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  auto get = [f = std::move(source)]() mutable -> T { return f.get(); };
  if (!ready) return *submit_call<T>(waiting_pool(), std::move(get), INT64_MAX);
  bound_pool_call<T, decltype(get)> here(std::move(get));
  here.call();
  here.publish();
  return here.get_future();
}

/// Gives a std::promise what a future ended with.
template <class T, bool Take>
struct to_std_call final : callback_base {
  explicit to_std_call(const future<T>& f) : source(f) {}
  void call() override {
    try {
      if constexpr (std::is_void_v<T>) {
        source.get();
        target.set_value();
      } else if constexpr (Take) {
        target.set_value(std::move(source).get());
      } else {
        target.set_value(source.get());
      }
    } catch (...) {
      target.set_exception(std::current_exception());
    }
  }
  future<T> source;
  std::promise<T> target;
};

template <bool Take, class T>
std::future<T> to_std_future(const future<T>& f) {
  if (!f.valid()) throw_no_state("to_std");
  auto call = std::make_unique<to_std_call<T, Take>>(f);
  std::future<T> result = call->target.get_future();
  when_settled(*f.internal_state(), std::move(call));
  return result;
}

} // namespace detail

/// A future that gets what `source` will get, so that fibers can wait for it. std's futures tell
/// nobody when they are ready: a kernel thread waits for this one (of a pool of weft's own, which
/// has as many as it takes). One that is `deferred` runs on that thread.
///
/// Never blocks, no switch point. Cancelling the result leaves thread and source alone. Throws
/// `future_error` if `source` has no state, std::system_error if no thread could be had. Model:
/// asyncio.wrap_future.
///
///     std::future<int> theirs = std::async([] { return 42; });
///     weft::from_std(std::move(theirs)).get();  // parks the fiber, not the thread
template <class T>
future<T> from_std(std::future<T> source) {
  return detail::from_std_future<T>(std::move(source));
}
/// The same; the result is a copy.
template <class T>
future<T> from_std(std::shared_future<T> source) {
  return detail::from_std_future<T>(std::move(source));
}

/// A std::future that gets what `f` will get: for code that knows nothing of weft. It is set where
/// `f` is. Of a cancelled one: `get` throws task_cancelled.
///
/// std's waits block the thread, and its hub with it: wait on another thread than the one whose
/// fibers are to give the result. Never blocks, no switch point; throws `future_error` for an
/// empty handle. Any thread. The result is copied; that of an rvalue is moved out of the state
/// that all copies of the handle share.
template <class T>
std::future<T> to_std(const future<T>& f) {
  return detail::to_std_future<false>(f);
}
template <class T>
std::future<T> to_std(future<T>&& f) {
  std::future<T> result = detail::to_std_future<true>(f);
  f = {};
  return result;
}

} // namespace weft

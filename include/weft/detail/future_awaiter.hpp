// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <coroutine>
#include <type_traits>
#include <utility>

#include <weft/future.hpp>
#include <weft/task.hpp>

/// How a coroutine waits for a future. Not part of the interface.
namespace [[gnu::visibility("default")]] weft {
namespace detail {

struct coroutine_waiter;

coroutine_waiter& new_coroutine_waiter(std::coroutine_handle<> coroutine);
/// Has the coroutine resumed once `s` is done. False: it is, and the waiter is gone.
bool attach_coroutine(coroutine_waiter& w, state& s) noexcept;
/// The coroutine goes away while it waits.
void forget_coroutine(coroutine_waiter& w) noexcept;
/// Throws std::logic_error inside a callback.
void check_may_block();

template <class T, class Future>
class future_awaiter {
  using handle = std::remove_cvref_t<Future>;

 public:
  explicit future_awaiter(Future&& f) : future_(std::forward<Future>(f)) {
    if (!future_.valid()) throw_no_state("co_await");
  }
  explicit future_awaiter(const handle& f) requires(!std::is_reference_v<Future>) : future_(f) {
    if (!future_.valid()) throw_no_state("co_await");
  }
  future_awaiter(const future_awaiter&) = delete;
  future_awaiter& operator=(const future_awaiter&) = delete;
  ~future_awaiter() {
    if (waiter_) forget_coroutine(*waiter_);
  }

  [[nodiscard]] bool await_ready() const { return future_.done(); }
  bool await_suspend(std::coroutine_handle<> coroutine) {
    coroutine_waiter& w = *(waiter_ = &new_coroutine_waiter(coroutine));
    if (attach_coroutine(w, *future_.internal_state())) return true; // this may be gone by now
    waiter_ = nullptr;
    return false;
  }
  decltype(auto) await_resume() {
    waiter_ = nullptr;
    if constexpr (std::is_reference_v<Future>)
      return std::as_const(future_).get();
    else
      return std::move(future_).get();
  }

  /// What is to be cancelled along with the coroutine.
  [[nodiscard]] const handle& awaited() const noexcept { return future_; }

 private:
  handle future_; // its own: the other may be assigned to meanwhile
  coroutine_waiter* waiter_ = nullptr;
};

} // namespace detail
} // namespace weft

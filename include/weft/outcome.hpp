// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>

#include <weft/error.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {

/// How a result is kept among others: void as std::monostate, a reference as
/// std::reference_wrapper.
template <class T>
struct kept {
  using type = T;
};
template <>
struct kept<void> {
  using type = std::monostate;
};
template <class T>
struct kept<T&> {
  using type = std::reference_wrapper<T>;
};
template <class T>
using kept_t = typename kept<T>::type;

} // namespace detail

/// How a task ended: with a value, with an exception, or cancelled. What `gather_outcomes` gives
/// for each. Model: asyncio.gather(return_exceptions=True), std::expected.
///
///     for (auto& o : weft::gather_outcomes(tasks).get())
///       if (o)
///         use(*o);
///       else if (!o.cancelled())
///         log(o.error());
///
/// A plain value: copied and moved as T is. The value of `outcome<void>` is a std::monostate, that
/// of `outcome<T&>` a std::reference_wrapper<T>. One object is for one thread at a time.
template <class T>
class outcome {
  struct failure {
    std::exception_ptr error;
    bool cancelled;
  };

 public:
  using value_type = detail::kept_t<T>;

  outcome(value_type value) noexcept(std::is_nothrow_move_constructible_v<value_type>)
      : kept_(std::in_place_index<0>, std::move(value)) {}
  /// `error` is what `value` rethrows; not null.
  outcome(std::exception_ptr error, bool cancelled) noexcept
      : kept_(std::in_place_index<1>, failure{std::move(error), cancelled}) {}

  [[nodiscard]] bool has_value() const noexcept { return kept_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// Whether it was cancelled.
  [[nodiscard]] bool cancelled() const noexcept { return !has_value() && as_failure().cancelled; }
  /// The exception, a `task_cancelled` if it was cancelled; null if there is a value.
  [[nodiscard]] std::exception_ptr error() const noexcept {
    return has_value() ? nullptr : as_failure().error;
  }

  /// The value, or rethrows the exception.
  [[nodiscard]] const value_type& value() const& {
    rethrow();
    return **this;
  }
  [[nodiscard]] value_type& value() & {
    rethrow();
    return **this;
  }
  [[nodiscard]] value_type&& value() && {
    rethrow();
    return *std::move(*this);
  }

  /// The value, which must be there.
  [[nodiscard]] const value_type& operator*() const& noexcept { return *std::get_if<0>(&kept_); }
  [[nodiscard]] value_type& operator*() & noexcept { return *std::get_if<0>(&kept_); }
  [[nodiscard]] value_type&& operator*() && noexcept { return std::move(*std::get_if<0>(&kept_)); }
  const value_type* operator->() const noexcept { return std::get_if<0>(&kept_); }
  value_type* operator->() noexcept { return std::get_if<0>(&kept_); }

 private:
  [[nodiscard]] const failure& as_failure() const noexcept { return *std::get_if<1>(&kept_); }
  void rethrow() const {
    if (!has_value()) std::rethrow_exception(as_failure().error);
  }

  std::variant<value_type, failure> kept_;
};

} // namespace weft

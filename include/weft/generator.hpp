// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include <weft/detail/generator_core.hpp>

namespace [[gnu::visibility("default")]] weft {

/// Thrown at the `yield` where a generator is suspended that is closed or destroyed. Not derived
/// from std::exception (Python's GeneratorExit is no Exception either). Let it pass, or clean up
/// and rethrow it or return.
class generator_exit {};

/// How a generator is to be made.
struct generator_options {
  /// Usable bytes of the body's stack; 0: as many as a fiber's. Rounded up; at most 2 GiB, else
  /// std::length_error. Untouched pages cost address space only.
  std::size_t stack_size = 0;
};

/// A function that gives values one at a time, on a stack of its own: wherever its body is, in
/// whatever function called from there, `yield(value)` goes back to the caller, who goes on with
/// the body by asking for the next. Model: Python's generators.
///
///     weft::generator<int> count(int from) {
///       return [from](auto& yield) {
///         for (int i = from;; ++i) yield(i);
///       };
///     }
///
/// A loop over it that is left early leaves the body where it is; it is unwound when the generator
/// goes:
///
///     for (int i : count(1))
///       if (i > 10) break;
///
/// `Y` is what the body yields: a value, a reference, or void for `yield()`. `S` is what `send`
/// sends, which the body gets from `yield`. `R` is what the body returns.
///
///     weft::generator<double, double> average([](auto& yield) {
///       double sum = 0;
///       int n = 0;
///       while (true)
///         if (std::optional<double> x = yield(n ? sum / n : 0)) { sum += *x; ++n; }
///     });
///     average.next();                     // up to the first yield, as in Python
///     double first = *average.send(10);   // 10
///     double second = *average.send(20);  // 15
///
/// No fiber: the body runs when `next`, `send`, `throw_into` or `close` is called, in whatever
/// fiber or thread calls, which need not have a hub. `current()`, fiber-local values, cancellation
/// and time-outs are the caller's; where the body blocks, its caller blocks, and another fiber
/// that calls meanwhile gets std::logic_error. What must be thrown in the caller at a switch point
/// inside the body is thrown there, through the body; not where the exception would run into a
/// noexcept function or a destructor of either. Exceptions being handled, and the count of those
/// in flight, are the body's own: it may yield inside a catch block. A timeout_scope
/// may not be open over a `yield` (std::logic_error there): it would go on in the caller.
///
/// May be called by different fibers of a thread, one after the other. Until it starts it may go
/// to any thread; then it belongs to the one on which it started (as a fiber does, since compilers
/// keep addresses of thread-locals over a call), and calls from others throw std::logic_error.
///
/// Movable. Destroying one that is suspended throws generator_exit inside it, as `close` does, on
/// the thread that destroys it; that may block. What else leaves the body goes to the error
/// handler, since a destructor does not throw; a body that yields instead, three times, is
/// abandoned with its stack. Destroying one whose body runs or blocks ends the process.
///
/// A generator that was moved from, and a call of one from its own body, are std::logic_error.
template <class Y, class S = void, class R = void>
class [[nodiscard]] generator {
  using core = detail::typed_generator<Y, S, R>;

 public:
  /// What the body is called with: `yield(value)`, `yield.from(range)`.
  class yielder;
  class iterator;

  /// What `next` gives: std::optional<Y>; a pointer if Y is a reference; bool if it is void.
  using item = detail::maybe<Y>;

  /// Empty: `valid()` is false.
  generator() noexcept = default;

  /// `body` is called as `body(yielder&)` by the first `next`; until then nothing runs, and no
  /// stack is taken. Stored decayed; destroyed when the body is at its end. Throws
  /// std::invalid_argument for a null function, std::length_error for too large a stack.
  template <class F>
  requires(!std::same_as<std::decay_t<F>, generator> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, yielder&>)
      generator(F&& body, const generator_options& options = {})
      : core_(new detail::generator_body<std::decay_t<F>, yielder, Y, S, R>(
            std::forward<F>(body), detail::generator_stack_class(options.stack_size))) {}

  /// Whether there is a generator in it: false once moved from.
  [[nodiscard]] bool valid() const noexcept { return core_ != nullptr; }

  /// Whether the body is at its end: by return, by an exception, or closed.
  [[nodiscard]] bool done() const { return checked().where == detail::generator_phase::finished; }

  /// Runs the body up to its next `yield` and gives what it yields; empty if it is at its end
  /// (Python's StopIteration). A value is moved out; a reference is valid until the next call.
  /// Rethrows what the body throws, after which it is at its end.
  item next() { return resume("next", nullptr); }

  /// The same, and the body's `yield` gives it `value`. Throws std::logic_error unless it waits at
  /// a `yield`, which it does not before the first `next`.
  template <class U = S>
  requires(!std::is_void_v<S> && std::convertible_to<U, S>) item send(U&& value) {
    core& c = checked();
    detail::check_generator(c, "send");
    if (c.where == detail::generator_phase::unstarted) detail::refuse_to_send();
    if (c.where == detail::generator_phase::finished) return item{};
    c.sent.set(std::forward<U>(value));
    return resume("send", nullptr);
  }

  /// Throws `error` at the `yield` where the body is, and gives what it yields next if it goes on.
  /// Not started: it is at its end, and `error` is thrown here; at its end: likewise. Model:
  /// Python's generator.throw.
  item throw_into(const std::exception_ptr& error) {
    if (!error) detail::refuse_null_exception();
    return resume("throw_into", error);
  }
  template <class E>
  requires(!std::is_convertible_v<E, std::exception_ptr>) item throw_into(E&& error) {
    return throw_into(std::make_exception_ptr(std::forward<E>(error)));
  }

  /// Ends the body by throwing generator_exit where it is suspended; a switch point if its cleaning
  /// up is. Not started: it never runs; at its end: no effect. Throws what the body throws instead,
  /// and std::logic_error if it yields, which leaves it suspended there.
  void close() { detail::close_generator(checked(), std::make_exception_ptr(generator_exit())); }

  /// What the body returned; `R&&` of an rvalue. Throws std::logic_error if it has not, or did not
  /// end by return.
  std::add_lvalue_reference_t<R> result() & requires(!std::is_void_v<R>) {
    return *checked_result();
  }
  std::add_lvalue_reference_t<const R> result() const& requires(!std::is_void_v<R>) {
    return *checked_result();
  }
  R result() && requires(!std::is_void_v<R>) { return static_cast<R&&>(*checked_result()); }

  /// An input range of what is still to come: `begin` runs the body to its next `yield`. An element
  /// is the body's own object (move out of it if you like), valid until the next is asked for.
  iterator begin() requires(!std::is_void_v<Y>) {
    core& c = checked();
    detail::resume_generator(c, "begin", nullptr);
    return iterator(c);
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  template <class, class, class>
  friend class generator;

  item resume(const char* call, const std::exception_ptr& error) {
    core& c = checked();
    if (!detail::resume_generator(c, call, error)) return item{};
    return c.take();
  }
  core& checked() const {
    if (!core_) [[unlikely]]
      detail::refuse_empty_generator();
    return *core_;
  }
  auto& checked_result() const {
    core& c = checked();
    if (!c.result.has()) detail::refuse_result(c);
    return c.result;
  }

  std::unique_ptr<core, detail::destroy_generator> core_;
};

/// What a generator's body yields with. Belongs to the body: used anywhere else, such as in a
/// fiber that it spawned, it throws std::logic_error.
template <class Y, class S, class R>
class generator<Y, S, R>::yielder {
 public:
  explicit yielder(core& of) noexcept : core_(of) {}
  yielder(const yielder&) = delete;
  yielder& operator=(const yielder&) = delete;

  /// Gives `value` to the caller and goes on when it asks for the next. Returns what was sent:
  /// std::optional<S>, empty if nothing was, as by a bare `next` (a pointer if S is a reference;
  /// nothing if it is void). Throws what `throw_into` and `close` ask for.
  template <class U = Y>
  requires(!std::is_void_v<Y> && std::convertible_to<U, Y>) auto operator()(U&& value) {
    if constexpr (std::is_reference_v<Y>) {
      Y bound = std::forward<U>(value);
      return suspend(std::addressof(bound));
    } else if constexpr (std::same_as<U, Y>) {
      return suspend(std::addressof(value));
    } else {
      Y converted = std::forward<U>(value);
      return suspend(std::addressof(converted));
    }
  }
  /// The same without a value.
  auto operator()() requires(std::is_void_v<Y>) { return suspend(nullptr); }

  /// Yields each element of a range. Model: Python's `yield from`.
  ///
  ///     [](auto& yield) { yield.from(std::vector{1, 2, 3}); }
  template <std::ranges::input_range Range>
  requires(
      !detail::is_generator<std::remove_cvref_t<Range>> && !std::is_void_v<Y> &&
      std::constructible_from<Y, std::ranges::range_reference_t<Range>>) void from(Range&& range) {
    for (auto&& element : range) {
      if constexpr (std::convertible_to<decltype(element), Y>)
        (*this)(std::forward<decltype(element)>(element));
      else
        (*this)(Y(std::forward<decltype(element)>(element)));
    }
  }

  /// Yields what `inner` yields and returns what it returns. What is sent and thrown into this
  /// generator goes to `inner`, which is closed if this one is.
  template <class Y2, class S2, class R2>
  R2 from(generator<Y2, S2, R2>& inner) {
    auto& from = inner.checked();
    bool yielded = detail::resume_generator(from, "yield.from", nullptr);
    while (yielded) {
      const std::exception_ptr error = suspend_on(from);
      if (error) {
        if (core_.closing) {
          inner.close();
          std::rethrow_exception(error);
        }
        yielded = detail::resume_generator(from, "yield.from", error);
        continue;
      }
      if constexpr (!std::is_void_v<S> && !std::is_void_v<S2>)
        if (core_.sent.has()) from.sent.set(core_.sent.take());
      core_.sent.reset();
      yielded = detail::resume_generator(from, "yield.from", nullptr);
    }
    if constexpr (!std::is_void_v<R2>) return std::move(inner).result();
  }
  template <class Y2, class S2, class R2>
  R2 from(generator<Y2, S2, R2>&& inner) {
    return from(inner);
  }

 private:
  auto suspend(detail::pointer_to<Y> value) {
    core_.value = value;
    if (const std::exception_ptr error = detail::suspend_generator(core_)) [[unlikely]]
      std::rethrow_exception(error);
    return core_.sent.take_all();
  }

  template <class Inner>
  std::exception_ptr suspend_on(Inner& inner) {
    if constexpr (std::is_void_v<Y> || std::same_as<decltype(core_.value), decltype(inner.value)>) {
      if constexpr (!std::is_void_v<Y>) core_.value = inner.value;
      return detail::suspend_generator(core_);
    } else {
      Y converted(*inner.value);
      core_.value = std::addressof(converted);
      return detail::suspend_generator(core_);
    }
  }

  core& core_;
};

/// See generator::begin.
template <class Y, class S, class R>
class generator<Y, S, R>::iterator {
 public:
  using value_type = std::remove_cvref_t<Y>;
  using difference_type = std::ptrdiff_t;
  using reference = std::add_lvalue_reference_t<Y>;
  using iterator_concept = std::input_iterator_tag;

  explicit iterator(core& of) noexcept : core_(&of) {}
  iterator(iterator&&) noexcept = default;
  iterator& operator=(iterator&&) noexcept = default;

  reference operator*() const noexcept { return static_cast<reference>(*core_->value); }
  iterator& operator++() {
    detail::resume_generator(*core_, "++", nullptr);
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
    return i.core_->where != detail::generator_phase::suspended;
  }

 private:
  core* core_;
};

} // namespace weft

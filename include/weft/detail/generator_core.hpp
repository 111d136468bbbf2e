// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace [[gnu::visibility("default")]] weft {

template <class Y, class S, class R>
class generator;

/// What is behind a generator. Not part of the interface.
namespace detail {

struct generator_stack;

enum class generator_phase : std::uint8_t { unstarted, suspended, running, finished };

/// The part of a generator that does not depend on its types.
struct generator_core {
  explicit generator_core(std::uint32_t stack_class_) noexcept : stack_class(stack_class_) {}
  generator_core(const generator_core&) = delete;
  generator_core& operator=(const generator_core&) = delete;
  virtual ~generator_core() = default;
  virtual void run() = 0; // calls the body, keeps what it returns
  virtual void drop_body() noexcept = 0;

  generator_phase where = generator_phase::unstarted;
  bool closing = false;
  std::uint32_t stack_class;
  generator_stack* stack = nullptr; // while suspended or running
  std::exception_ptr thrown;        // on its way into the body, or out of it
};

/// Runs the body, in which `error` is thrown if there is one, until it is suspended (true) or at
/// its end (false). Throws what it throws.
bool resume_generator(generator_core& g, const char* call, const std::exception_ptr& error);
/// Back to the caller, from inside the body; gives what is to be thrown there.
std::exception_ptr suspend_generator(generator_core& g);
void close_generator(generator_core& g, const std::exception_ptr& exit);
void check_generator(const generator_core& g, const char* call);
std::uint32_t generator_stack_class(std::size_t usable);
struct destroy_generator {
  void operator()(generator_core* g) const noexcept;
};
[[noreturn]] void refuse_empty_generator();
[[noreturn]] void refuse_to_send();
[[noreturn]] void refuse_null_exception();
[[noreturn]] void refuse_null_body();
[[noreturn]] void refuse_result(const generator_core& g);

template <class T>
inline constexpr bool is_generator = false;
template <class Y, class S, class R>
inline constexpr bool is_generator<generator<Y, S, R>> = true;

template <class T>
using pointer_to = std::add_pointer_t<T>;

/// A T that may not be there.
template <class T>
using maybe = std::conditional_t<
    std::is_void_v<T>, bool,
    std::conditional_t<
        std::is_reference_v<T>, pointer_to<T>,
        std::optional<std::conditional_t<std::is_void_v<T> || std::is_reference_v<T>, int, T>>>>;

/// Place for a T: what was sent, what was returned.
template <class T>
class generator_slot {
 public:
  template <class U>
  void set(U&& value) {
    if constexpr (std::is_reference_v<T>)
      value_ = std::addressof(value);
    else
      value_.emplace(std::forward<U>(value));
  }
  [[nodiscard]] bool has() const noexcept { return static_cast<bool>(value_); }
  void reset() noexcept {
    if constexpr (std::is_reference_v<T>)
      value_ = nullptr;
    else
      value_.reset();
  }
  auto& operator*() noexcept { return *value_; }
  T take() {
    if constexpr (std::is_reference_v<T>) {
      return static_cast<T>(*std::exchange(value_, nullptr));
    } else {
      T value = std::move(*value_);
      reset();
      return value;
    }
  }
  maybe<T> take_all() {
    maybe<T> taken(std::move(value_));
    reset();
    return taken;
  }

 private:
  maybe<T> value_{};
};
template <>
class generator_slot<void> {
 public:
  void reset() noexcept {}
  void take_all() noexcept {}
};

template <class Y, class S, class R>
struct typed_generator : generator_core {
  using generator_core::generator_core;

  /// What `next` gives of a value that was yielded.
  maybe<Y> take() {
    if constexpr (std::is_void_v<Y>)
      return true;
    else if constexpr (std::is_reference_v<Y>)
      return value;
    else
      return maybe<Y>(std::move(*value));
  }

  pointer_to<Y> value = nullptr; // while suspended: on the body's stack
  [[no_unique_address]] generator_slot<S> sent;
  [[no_unique_address]] generator_slot<R> result;
};

template <class F, class Yielder, class Y, class S, class R>
struct generator_body final : typed_generator<Y, S, R> {
  template <class G>
  generator_body(G&& f, std::uint32_t stack_class)
      : typed_generator<Y, S, R>(stack_class), body(std::in_place, std::forward<G>(f)) {
    if constexpr (std::is_pointer_v<F> || std::is_member_pointer_v<F> || requires {
                    typename F::result_type;
                    { *body == nullptr } -> std::same_as<bool>;
                  })
      if (*body == nullptr) refuse_null_body();
  }
  void run() override {
    Yielder yield(*this);
    if constexpr (std::is_void_v<R>)
      std::invoke(*body, yield);
    else
      this->result.set(std::invoke(*body, yield));
  }
  void drop_body() noexcept override { body.reset(); }

  std::optional<F> body;
};

} // namespace detail
} // namespace weft

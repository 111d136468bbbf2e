// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <weft/detail/local_value.hpp>

namespace [[gnu::visibility("default")]] weft {

/// A variable of which each fiber has its own: what thread_local is for threads. The thread's own
/// fiber has one, and so has a thread without a hub (the same: a hub made later changes nothing).
/// Callbacks, which run in no fiber, use the thread's. Model: gevent.local, thread_local.
///
///     weft::fiber_local<std::string> buffer;
///     weft::fiber_local<int> level([] { return 1; });
///
///     int use_mine() {
///       buffer->append("mine");
///       return *level += 1;  // 2, in each fiber that does this once
///     }
///
/// A value is made when its fiber first asks for it, and destroyed at the fiber's end: after what
/// its function returned or threw is settled in it and the function itself destroyed, before
/// anybody learns that it is done; on its thread and stack, where it may block, but is not
/// cancelled; last made first. A destructor may use other fiber_locals; one whose value is gone by
/// then gets a new one, which is destroyed next. Where that goes on in a circle, the fifth is given
/// up (POSIX's PTHREAD_DESTRUCTOR_ITERATIONS). A fiber cancelled
/// before it started has none. The thread's values are destroyed at its end, as thread_locals are.
/// In a forked child those of fibers that are lost are not destroyed.
///
/// Usually a static or namespace-scope object. When the fiber_local itself goes, values that fibers
/// have stay until those end. May be used on any thread; never blocks (unless making or destroying
/// a value does), no switch point. A generator's body uses its caller's.
template <class T>
class fiber_local {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "weft: a fiber_local holds an object");

 public:
  /// Values are made by `T()`.
  fiber_local() requires std::default_initializable<T>
  = default;
  /// Values are what `make()` gives, called in the fiber that asks; on any thread, if several
  /// use it. What it throws is thrown by `get`, and the next `get` calls it again. Throws
  /// std::invalid_argument for a null function.
  template <class F>
  requires(!std::same_as<std::decay_t<F>, fiber_local> &&
           std::is_invocable_r_v<T, std::decay_t<F>&>) explicit fiber_local(F&& make)
      : make_(std::forward<F>(make)) {
    if (!make_) detail::refuse_null_initialiser();
  }
  fiber_local(const fiber_local&) = delete;
  fiber_local& operator=(const fiber_local&) = delete;

  /// The caller's value, made if there is none. The reference is good until the fiber's end, or
  /// `reset`.
  T& get() {
    if (detail::local_value* found = detail::find_local(key_)) [[likely]]
      return static_cast<holder*>(found)->value;
    return static_cast<holder&>(detail::add_local(key_, std::make_unique<holder>(make_))).value;
  }
  T& operator*() { return get(); }
  T* operator->() { return std::addressof(get()); }

  /// Whether the caller's value has been made.
  [[nodiscard]] bool has_value() const noexcept { return detail::find_local(key_) != nullptr; }

  /// Destroys the caller's value, if it has been made.
  void reset() noexcept { detail::remove_local(key_); }

 private:
  struct holder final : detail::local_value {
    explicit holder(const std::function<T()>& make) : value(make ? make() : by_default()) {}
    T value;
  };

  static T by_default() {
    if constexpr (std::default_initializable<T>)
      return T();
    else
      detail::refuse_null_initialiser(); // the constructor saw to it that there is one
  }

  detail::local_key key_;
  std::function<T()> make_;
};

/// A variable that a fiber inherits: `spawn` gives the new fiber what the spawning one has then;
/// what either sets later is its own. Model: Python's contextvars.ContextVar.
///
///     weft::inherited_local<std::string> request_id("none");
///
///     const auto restored = request_id.set_scoped("42");
///     weft::spawn([&] { log(request_id.get()); }).join();  // 42, however deep below
///
/// Values are shared between fibers and do not change; setting replaces. The thread's own fiber,
/// threads without a hub and callbacks have values as with fiber_local; another thread inherits
/// nothing. A generator's body uses its caller's.
///
/// A fiber that inherits nothing costs nothing more to spawn; one that does costs an allocation.
/// Setting copies a table of all that is set, a pointer pair each. May be used on any thread; never
/// blocks, no switch point.
template <class T>
class inherited_local {
 public:
  /// `otherwise` is the value where none was set or inherited.
  explicit inherited_local(T otherwise = T()) : otherwise_(std::move(otherwise)) {}
  inherited_local(const inherited_local&) = delete;
  inherited_local& operator=(const inherited_local&) = delete;

  /// The caller's value. The reference is good until the caller sets another.
  [[nodiscard]] const T& get() const noexcept {
    const void* found = detail::find_inherited(key_);
    return found ? *static_cast<const T*>(found) : otherwise_;
  }
  const T& operator*() const noexcept { return get(); }
  const T* operator->() const noexcept { return std::addressof(get()); }

  /// Whether one was set, or inherited.
  [[nodiscard]] bool has_value() const noexcept { return detail::find_inherited(key_) != nullptr; }

  /// Sets the caller's value.
  void set(T value) { detail::set_inherited(key_, std::make_shared<const T>(std::move(value))); }

  /// Undoes a `set_scoped` when it goes: the value is what it was before, whatever was set since.
  class [[nodiscard]] scope {
   public:
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
    /// Elsewhere than in the fiber that made it, it has no effect.
    ~scope() {
      if (detail::local_owner() == owner_) detail::set_inherited(key_, std::move(before_));
    }

   private:
    friend inherited_local;
    scope(std::uint64_t key, std::shared_ptr<const void> value)
        : key_(key), owner_(detail::local_owner()), before_(detail::copy_inherited(key)) {
      detail::set_inherited(key, std::move(value));
    }
    std::uint64_t key_;
    std::uint64_t owner_;
    std::shared_ptr<const void> before_;
  };

  /// Sets the caller's value until the scope ends (ContextVar.set and reset with its token).
  scope set_scoped(T value) {
    auto shared = std::make_shared<const T>(std::move(value));
    return scope(key_, std::move(shared));
  }

 private:
  std::uint64_t key_ = detail::new_inherited_key();
  T otherwise_;
};

} // namespace weft

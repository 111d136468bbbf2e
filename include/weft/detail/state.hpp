// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

/// The block behind every handle. Not part of the interface: use task, future and promise.
namespace [[gnu::visibility("default")]] weft {
class hub;
}

namespace [[gnu::visibility("default")]] weft {
namespace detail {

struct completion;
struct park_record;
struct carrier;
struct fiber_extras;
struct state;

/// What ended up in a state. Everything from `value` up is final.
enum class outcome_kind : std::uint8_t {
  pending,
  value,
  error,
  cancelled,
  forwarded, // a value, which is in the state that the storage points to
};

/// Where a block stands with the scheduler.
enum class phase : std::uint8_t {
  free,      // memory without an object
  promise,   // nobody runs it
  callback,  // a queue item that is no fiber
  later,     // a fiber whose timer has not fired
  unstarted, // in the ready queue, without a stack yet
  ready,     // in the ready queue
  running,
  parked,
  finished,
};

/// Bits of `ready_item::flags`.
enum flag : std::uint16_t {
  cancel_requested = 1, // `cancelled` is to be thrown
  throw_requested = 2,  // extras->interrupt is to be thrown
  outcome_seen = 4,     // somebody looked: no report when the last handle goes
  has_callable = 8,
  thread_fiber = 16,      // a thread's own fiber
  claimed = 32,           // a promise that is being set; under the state lock
  timeout_requested = 64, // a timeout_scope's time is over
  has_inherited = 128,    // an inherited_local was set: fibers that it spawns get it too
  interrupt_requested = cancel_requested | throw_requested | timeout_requested,
};

/// How the type-erased scheduler handles what a block holds. Null: there is nothing to do.
struct state_type {
  void (*run)(state&);                    // calls the callable, stores the result; may throw
  void (*drop_callable)(state&) noexcept; // destroys the callable
  void (*drop_result)(state&) noexcept;   // destroys the result
  // Of a future that stands for others: a request to cancel goes to them, also that of a fiber
  // which waits for it. Null: it ends in the state itself.
  bool (*cancel)(state&) noexcept = nullptr;
};

/// What stands in the ready queue.
struct ready_item {
  [[nodiscard]] bool has(unsigned bits) const noexcept {
    return (flags.load(std::memory_order_relaxed) & bits) != 0;
  }
  void set(unsigned bits) noexcept { change(0, bits); }
  void clear(unsigned bits) noexcept { change(bits, 0); }
  void change(unsigned without, unsigned with) noexcept {
    const auto now = flags.load(std::memory_order_relaxed);
    flags.store(static_cast<std::uint16_t>((now & ~without) | with), std::memory_order_relaxed);
  }

  ready_item* next = nullptr;
  union {
    void* context = nullptr;   // of a suspended fiber; null: not to be jumped to
    std::uint64_t finished_as; // once done: its place in its home's order of completion
  };
  std::atomic<outcome_kind> outcome{outcome_kind::pending};
  phase where = phase::promise;
  std::atomic<std::uint16_t> flags{0}; // relaxed: its home's thread writes, or who sees it done
  std::uint32_t stack_class = 0;
};

/// Bytes for a callable and its result inside the block; larger ones go to the heap. More would
/// be a third cache line, which of a million fibers is one more that has to come from memory.
inline constexpr std::size_t inline_bytes = 32;
/// Of a result: a future that stands for others keeps a pointer behind it.
inline constexpr std::size_t inline_result_bytes = inline_bytes - sizeof(void*);

/// One task or promise: its outcome, who waits for it, how many handles it has, and, for a task,
/// its fiber. 128 bytes, two cache lines, from its hub's pool. Lives until the last handle is gone
/// and the fiber is at its end.
///
/// All but `outcome` (release store, acquire load) and `shared_refs` belongs to the home hub's
/// thread, or to whoever holds the home hub's state lock from outside.
struct state : ready_item {
  // What waiting and freeing it look at is in its first cache line, with the above.
  hub* home = nullptr; // null: made on a thread without a hub
  const state_type* type = nullptr;
  std::int32_t local_refs = 0;              // of the home hub's thread
  std::atomic<std::int32_t> shared_refs{0}; // of all others: count * 2 + (local merged into it)
  fiber_extras* extras = nullptr;           // name and other things that few fibers have
  park_record* parked_at = nullptr;         // while parked
  carrier* stack = nullptr;                 // while it has one
  completion* waiters = nullptr;            // circular, oldest first
  std::uint64_t id = 0;
  std::uint64_t spawner = 0;
  alignas(16) std::byte storage[inline_bytes];

  [[nodiscard]] bool done() const noexcept {
    return outcome.load(std::memory_order_acquire) != outcome_kind::pending;
  }
  /// Only of one that ended in an exception.
  [[nodiscard]] std::exception_ptr& error() noexcept {
    return *std::launder(reinterpret_cast<std::exception_ptr*>(storage));
  }
  /// Only of one that is `forwarded`: where its value is; it owns a count there.
  [[nodiscard]] state*& forwarded_to() noexcept {
    return *std::launder(reinterpret_cast<state**>(storage));
  }
};
static_assert(sizeof(state) == 128);

/// Where a result of type T lives in a block. References are kept as pointers; a T that is too
/// large or too aligned is allocated.
template <class T>
struct result_slot {
  using stored = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>;
  static constexpr bool is_inline = sizeof(stored) <= inline_result_bytes && alignof(stored) <= 16;
  static constexpr bool is_trivial = is_inline && std::is_trivially_destructible_v<stored>;
  static constexpr std::size_t size = is_inline ? sizeof(stored) : sizeof(stored*);

  static stored& of(state& s) noexcept {
    if constexpr (is_inline)
      return *std::launder(reinterpret_cast<stored*>(s.storage));
    else
      return **std::launder(reinterpret_cast<stored**>(s.storage));
  }
  /// `make()` gives the result; nothing is stored if it throws.
  template <class Make>
  static void emplace(state& s, Make&& make) {
    if constexpr (std::is_reference_v<T>)
      ::new (static_cast<void*>(s.storage)) stored(std::addressof(make()));
    else if constexpr (is_inline)
      ::new (static_cast<void*>(s.storage)) stored(make());
    else
      ::new (static_cast<void*>(s.storage)) stored*(new stored(make()));
  }
  static void drop(state& s) noexcept {
    if constexpr (!is_inline)
      delete &of(s);
    else
      std::destroy_at(&of(s));
  }
};

template <>
struct result_slot<void> {
  static constexpr bool is_trivial = true;
  static constexpr std::size_t size = 0;
  template <class Make>
  static void emplace(state&, Make&& make) {
    make();
  }
  static void drop(state&) noexcept {}
};

/// The callable of a fiber, after its result.
template <class T, class F>
struct callable_slot {
  static constexpr std::size_t result_end(std::size_t alignment) noexcept {
    return (result_slot<T>::size + alignment - 1) / alignment * alignment;
  }
  static constexpr bool is_inline =
      alignof(F) <= 16 && result_end(alignof(F)) + sizeof(F) <= inline_bytes;
  static constexpr std::size_t offset = result_end(is_inline ? alignof(F) : alignof(F*));
  static_assert(offset + (is_inline ? sizeof(F) : sizeof(F*)) <= inline_bytes);
  static constexpr bool is_trivial = is_inline && std::is_trivially_destructible_v<F>;

  static F& of(state& s) noexcept {
    if constexpr (is_inline)
      return *std::launder(reinterpret_cast<F*>(s.storage + offset));
    else
      return **std::launder(reinterpret_cast<F**>(s.storage + offset));
  }
  static void run(state& s) {
    result_slot<T>::emplace(s, [&]() -> decltype(auto) { return of(s)(); });
  }
  static void drop(state& s) noexcept {
    if constexpr (is_inline)
      std::destroy_at(&of(s));
    else
      delete &of(s);
  }
};

template <class T>
inline constexpr auto drop_result_of = result_slot<T>::is_trivial ? nullptr : &result_slot<T>::drop;
template <class T, class F>
inline constexpr auto drop_callable_of =
    callable_slot<T, F>::is_trivial ? nullptr : &callable_slot<T, F>::drop;

template <class T, class F>
inline constexpr state_type fiber_type{&callable_slot<T, F>::run, drop_callable_of<T, F>,
                                       drop_result_of<T>};
template <class T>
inline constexpr state_type promise_type{nullptr, nullptr, drop_result_of<T>};

// Handles. One count each; on the home hub's thread without locked instructions.
void retain(state& s) noexcept;
void release(state& s) noexcept;

/// Intrusive pointer to a state.
class state_ref {
 public:
  state_ref() noexcept = default;
  /// Takes over a count that the caller owns.
  explicit state_ref(state* owned) noexcept : state_(owned) {}
  state_ref(const state_ref& other) noexcept : state_(other.state_) {
    if (state_) retain(*state_);
  }
  state_ref(state_ref&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  state_ref& operator=(state_ref other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~state_ref() {
    if (state_) release(*state_);
  }
  [[nodiscard]] state* get() const noexcept { return state_; }
  state* operator->() const noexcept { return state_; }
  state& operator*() const noexcept { return *state_; }
  explicit operator bool() const noexcept { return state_ != nullptr; }
  /// Gives the count away.
  [[nodiscard]] state* leave() noexcept { return std::exchange(state_, nullptr); }

 private:
  state* state_ = nullptr;
};

} // namespace detail
} // namespace weft

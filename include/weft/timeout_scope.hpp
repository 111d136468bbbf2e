// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <weft/deadline.hpp>

namespace [[gnu::visibility("default")]] weft {

class timeout_scope;

/// Thrown at a switch point inside a `timeout_scope` whose time is over. Like `cancelled` not
/// derived from std::exception: `catch (const std::exception&)` inside does not swallow what is
/// meant for the scope's owner (gevent.Timeout, a BaseException).
class timeout_expired {
 public:
  explicit timeout_expired(const timeout_scope* scope) noexcept : scope_(scope) {}
  /// Whose time is over; to be compared, since the scope may have ended by now.
  [[nodiscard]] const timeout_scope* scope() const noexcept { return scope_; }

 private:
  const timeout_scope* scope_;
};

/// Limits the time of everything that is done while it exists, in whatever calls: the first switch
/// point after the deadline throws `timeout_expired` in the fiber that made it. Model:
/// gevent.Timeout, asyncio.timeout.
///
///     weft::timeout_scope limit{5s};
///     try {
///       talk_to(server);
///     } catch (const weft::timeout_expired& e) {
///       if (e.scope() != &limit) throw;  // an outer scope's: not ours to handle
///       give_up_on(server);
///     }
///
/// - If no switch point comes after the deadline nothing is thrown. It is thrown once; whoever
///   catches it goes on without limit, unless by `reschedule`.
/// - Scopes nest, and each throws for itself: an outer one whose time is over while an inner one's
///   exception, or a call's own time-out, is under way is thrown at the next switch point. Of
///   several whose time is over, the one with the earliest deadline throws first.
/// - A request to cancel the fiber comes first. Where `cancelled` would not be thrown (while
///   unwinding, in a destructor or noexcept function) this is not either, but stays pending.
/// - It works in a callback-free context only: in a fiber, which the thread's own is on a thread
///   with a hub. Elsewhere there is nobody to throw into: std::logic_error.
///
/// To be made, used and destroyed by the same fiber, innermost first: a local variable.
class timeout_scope {
 public:
  /// Starts the time; zero or less: the next switch point throws. `never`: no limit, yet.
  explicit timeout_scope(deadline limit);
  timeout_scope(const timeout_scope&) = delete;
  timeout_scope& operator=(const timeout_scope&) = delete;
  /// As `close`.
  ~timeout_scope();

  /// Sets the time anew, counted from now; one that was over and not yet thrown is forgotten.
  /// After `close`: std::logic_error.
  void reschedule(deadline limit);

  /// Whether its time was over while it was open, thrown or not.
  [[nodiscard]] bool expired() const noexcept;

  /// Ends it before its lifetime does: nothing is thrown any more. Again: no effect.
  void close() noexcept;

 private:
  static constexpr std::size_t record_bytes = 88;
  alignas(8) std::byte record_[record_bytes];
};

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {

/// All of a barrier but its completion function.
class barrier_base {
 public:
  barrier_base(const barrier_base&) = delete;
  barrier_base& operator=(const barrier_base&) = delete;

 protected:
  /// The completion function.
  struct completion {
    void* object;
    void (*call)(void*) noexcept;
  };
  constexpr explicit barrier_base(std::ptrdiff_t parties) : parties_(parties), left_(parties) {
    if (parties < 1) throw std::invalid_argument("weft: a barrier is for one party at least");
  }
  ~barrier_base() = default;

  std::uint64_t arrive(std::ptrdiff_t by, bool leave, completion c);
  bool wait_for_end_of(std::uint64_t phase, std::int64_t until);
  bool arrive_and_wait(std::int64_t until, completion c);

 private:
  void check_arrival(std::ptrdiff_t by) const;
  void end_phase(std::unique_lock<sync_lock>& held, completion c) noexcept;

  sync_lock lock_;
  std::uint64_t phase_ = 0;
  std::ptrdiff_t parties_;
  std::ptrdiff_t left_; // to arrive in this phase; 0: the completion function runs
  wait_list waiters_;
};

struct no_completion {
  constexpr void operator()() const noexcept {}
};

} // namespace detail

/// A place where so many parties meet, again and again: nobody goes on before all have arrived.
/// Model: std::barrier, whose interface it has; asyncio.Barrier.
///
///     weft::barrier meeting(3);
///     std::vector<weft::task<void>> parties;
///     for (int i = 0; i < 3; ++i)
///       parties.push_back(weft::spawn([&] {
///         for (int step = 0; step < 5; ++step)
///           meeting.arrive_and_wait();  // all do step 0, then all do step 1, ...
///       }));
///     weft::joinall(parties);
///
/// - When the last one arrives it calls `completion()`, which must be noexcept; then a new phase
///   begins and those who wait are woken in the order of arrival. The function may block; others
///   who arrive meanwhile are refused as one too many.
/// - Waiting parks the fiber, or blocks a thread without a hub; who comes last does not wait, which
///   is no switch point.
/// - Who is cancelled or times out in `arrive_and_wait` has not arrived: it may come again, or
///   somebody in its stead, and the others wait for that (asyncio; threading.Barrier would fail
///   for all). Who does not come again calls `arrive_and_drop`. If the last one arrives at the same
///   moment, it has arrived.
/// - `arrive` and `arrive_and_drop` never block (unless the completion function does) and may be
///   called anywhere, inside callbacks too; the waiting calls throw std::logic_error there where
///   they would have to wait.
/// - More arrivals in one phase than there are parties: std::logic_error.
/// - Any thread may call everything. Constant-initialised: may be static.
template <class Completion = detail::no_completion>
class barrier : private detail::barrier_base {
  static_assert(std::is_nothrow_invocable_v<Completion&>,
                "the completion function of a weft::barrier must be noexcept");

 public:
  /// Says which phase is to be waited for.
  class arrival_token {
   public:
    arrival_token(arrival_token&&) noexcept = default;
    arrival_token& operator=(arrival_token&&) noexcept = default;

   private:
    friend barrier;
    explicit arrival_token(std::uint64_t phase) noexcept : phase_(phase) {}
    std::uint64_t phase_;
  };

  /// For so many parties; less than 1: std::invalid_argument.
  constexpr explicit barrier(std::ptrdiff_t parties, Completion completion = Completion())
      : barrier_base(parties), completion_(std::move(completion)) {}

  [[nodiscard]] static constexpr std::ptrdiff_t max() noexcept { return PTRDIFF_MAX; }

  /// Arrives and does not wait: that is for `wait(token)`, which may be given up and called again.
  [[nodiscard]] arrival_token arrive(std::ptrdiff_t by = 1) {
    return arrival_token(barrier_base::arrive(by, false, call()));
  }
  /// Arrives, and belongs to the parties of later phases no more.
  void arrive_and_drop() { barrier_base::arrive(1, true, call()); }

  /// Waits for the end of the phase in which `token` was given, if it is not over. A switch point
  /// if it has to wait.
  void wait(arrival_token&& token) { wait_for_end_of(token.phase_, INT64_MAX); }
  /// The same until `limit`; says whether the phase is over.
  [[nodiscard]] bool wait(const arrival_token& token, deadline limit) {
    return wait_for_end_of(token.phase_, limit.absolute());
  }

  /// Arrives and waits. A switch point if it has to wait: then it throws what was requested of the
  /// fiber, and has not arrived.
  void arrive_and_wait() { barrier_base::arrive_and_wait(INT64_MAX, call()); }
  /// The same until `limit`; says whether the phase is over. If not, it has not arrived.
  [[nodiscard]] bool arrive_and_wait(deadline limit) {
    return barrier_base::arrive_and_wait(limit.absolute(), call());
  }

 private:
  completion call() noexcept {
    return {&completion_, [](void* c) noexcept { (*static_cast<Completion*>(c))(); }};
  }

  [[no_unique_address]] Completion completion_;
};

} // namespace weft

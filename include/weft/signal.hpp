// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <concepts>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/deadline.hpp>
#include <weft/spawn.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
class signal_subscription;
struct close_subscription {
  void operator()(signal_subscription* s) const noexcept;
};
} // namespace detail

/// One signal that came.
struct signal_arrival {
  int number = 0;
  int code = 0;     // siginfo_t::si_code: SI_USER, SI_QUEUE, CLD_EXITED, ...
  pid_t sender = 0; // and what else siginfo_t tells of it
  uid_t user = 0;
  int value = 0; // of sigqueue; of SIGCHLD the status
};

/// While it exists, these signals do not have their usual effect on the process: they are kept
/// here until somebody waits for them, in a fiber and without a handler's restrictions. Model:
/// asyncio's loop.add_signal_handler, signalfd(2).
///
///     weft::signal_set stop{SIGTERM, SIGINT};
///     const auto came = stop.wait();  // other fibers run on
///     std::printf("signal %d, stopping\n", came.number);
///
/// - Signals are caught for the whole process by a handler that weft installs, with SA_RESTART.
///   When the last set that names a signal goes, the disposition from before comes back, unless
///   somebody changed it since. Unlike signalfd this needs no signal to be blocked, so it does not
///   matter what threads there are; but one that every thread has blocked is not seen.
/// - Every set that names a signal gets it. Of those who wait on one set, one gets it: whoever has
///   waited longest, roughly, if they are on several hubs.
/// - What comes while nobody waits is kept, in order. After some 200 that nobody took, further
///   ones of one number count as one.
/// - Waiting is no deadlock: the signal comes from outside.
/// - In a forked child the sets go on, with what the child receives. An executed program has the
///   signals' defaults.
///
/// Any thread may make one, wait on it and destroy it, and several may wait at a time. Who still
/// waits when it is destroyed gets std::system_error (EBADF).
class signal_set {
 public:
  /// Never blocks. Throws std::invalid_argument for no signal at all, for a number that is none,
  /// for SIGKILL and SIGSTOP, and for SIGSEGV, SIGBUS, SIGFPE and SIGILL: the instruction that
  /// failed would be repeated for ever. std::system_error where there are no descriptors left:
  /// each set has two.
  signal_set(std::initializer_list<int> signals);
  explicit signal_set(const std::vector<int>& signals);
  signal_set(signal_set&&) noexcept = default;
  signal_set& operator=(signal_set&&) noexcept = default;
  ~signal_set() = default;

  /// Waits for a signal. If one is kept already it is given at once, and the call is no switch
  /// point. Else parks the fiber, or blocks a thread without a hub; a cancelled fiber loses no
  /// signal. Throws std::logic_error inside a callback and of a set that was moved from.
  signal_arrival wait() const;
  /// The same with a limit; empty when that came first.
  std::optional<signal_arrival> wait(deadline limit) const;
  /// What is kept, if anything. Never waits.
  [[nodiscard]] std::optional<signal_arrival> try_wait() const;

 private:
  [[nodiscard]] detail::signal_subscription& checked() const;
  std::unique_ptr<detail::signal_subscription, detail::close_subscription> subscription_;
};

/// Waits for one of `signals`, which are caught from here until the call ends: one that comes
/// before has its usual effect. As signal_set::wait. Model: sigwait(3).
signal_arrival wait_signal(std::initializer_list<int> signals);
/// The same with a limit; empty when that came first.
std::optional<signal_arrival> wait_signal(std::initializer_list<int> signals, deadline limit);

/// Spawns a fiber that calls `f(arrival)` or `f()` for each `signal` that comes from now on. Unlike
/// a handler it may do anything. Model: gevent.signal_handler, asyncio's loop.add_signal_handler.
///
///     auto reload = weft::on_signal(SIGHUP, [] { read_configuration(); });
///
/// Returns the fiber that waits for the signals, on this thread's hub (made if there is none):
/// cancel it to have the signal's disposition back. What `f` throws ends only its own fiber, and is
/// reported. Throws as signal_set does. Never blocks, no switch point.
template <class F>
requires(std::invocable<std::decay_t<F>&, signal_arrival> ||
         std::invocable<std::decay_t<F>&>) task<void> on_signal(int signal, F&& f) {
  detail::refuse_null(f);
  auto call = std::make_shared<std::decay_t<F>>(std::forward<F>(f));
  return spawn({.name = "on_signal"}, [set = signal_set{signal}, call = std::move(call)] {
    while (true) {
      const signal_arrival came = set.wait();
      static_cast<void>(spawn([call, came] {
        if constexpr (std::invocable<std::decay_t<F>&, signal_arrival>)
          std::invoke(*call, came);
        else
          std::invoke(*call);
      }));
    }
  });
}

} // namespace weft

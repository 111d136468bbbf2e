// SPDX-License-Identifier: BSL-1.0
#include "weft/signal.hpp"

#include <signal.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>

#include "runtime/core/clock.hpp"
#include "runtime/io/operation.hpp"
#include "runtime/io/signal_subscription.hpp"

namespace weft {

using detail::signal_subscription;

void detail::close_subscription::operator()(signal_subscription* s) const noexcept {
  s->close();
}

namespace {

template <class Signals>
std::uint64_t mask_of(const Signals& signals) {
  std::uint64_t mask = 0;
  for (const int number : signals) {
    if (number < 1 || number > SIGRTMAX)
      throw std::invalid_argument("weft: there is no signal " + std::to_string(number));
    if (number == SIGKILL || number == SIGSTOP)
      throw std::invalid_argument("weft: SIGKILL and SIGSTOP cannot be caught");
    if (number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL)
      throw std::invalid_argument("weft: a fault cannot be waited for, since the instruction would "
                                  "be repeated for ever; install a handler for signal " +
                                  std::to_string(number));
    mask |= std::uint64_t{1} << (number - 1);
  }
  if (mask == 0) throw std::invalid_argument("weft: a signal_set needs at least one signal");
  return mask;
}

} // namespace

signal_set::signal_set(std::initializer_list<int> signals)
    : subscription_(&signal_subscription::open(mask_of(signals))) {}

signal_set::signal_set(const std::vector<int>& signals)
    : subscription_(&signal_subscription::open(mask_of(signals))) {}

signal_subscription& signal_set::checked() const {
  if (!subscription_)
    throw std::logic_error("weft: wait of a signal_set that was moved from; wait on the new one");
  return *subscription_;
}

std::optional<signal_arrival> signal_set::try_wait() const {
  return checked().take();
}

signal_arrival signal_set::wait() const {
  while (true)
    if (auto came = wait(deadline::never())) return *came;
}

std::optional<signal_arrival> signal_set::wait(deadline limit) const {
  signal_subscription& s = checked();
  std::optional<signal_arrival> came = s.take();
  if (came) return came;
  const std::int64_t end = limit.absolute();
  if (end == 0) return std::nullopt;
  // The set may be gone when the wait ends.
  struct holder {
    explicit holder(signal_subscription& of) noexcept : held(of) { held.hold(); }
    holder(const holder&) = delete;
    holder& operator=(const holder&) = delete;
    ~holder() { held.let_go(); }
    signal_subscription& held;
  };
  const holder hold(s);
  const deadline until = end == core::never
                             ? deadline::never()
                             : std::chrono::steady_clock::time_point(std::chrono::nanoseconds(end));
  while (true) {
    io::operation op(s.descriptor(), core::io_in, until, detail::blocking_call::signal_wait);
    const ssize_t result = op.run([&]() -> ssize_t {
      came = s.take();
      return came ? 0 : -EAGAIN;
    });
    if (result == 0) return came;
    if (result == -ETIMEDOUT) return std::nullopt;
    if (result != -EINTR) // of a thread without a hub
      throw std::system_error(static_cast<int>(-result), std::generic_category(),
                              "weft: wait of a signal_set");
  }
}

signal_arrival wait_signal(std::initializer_list<int> signals) {
  return signal_set(signals).wait();
}

std::optional<signal_arrival> wait_signal(std::initializer_list<int> signals, deadline limit) {
  return signal_set(signals).wait(limit);
}

} // namespace weft

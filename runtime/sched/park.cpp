// SPDX-License-Identifier: BSL-1.0
#include <stdexcept>

#include "runtime/sched/deliverable.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/state.hpp"
#include "runtime/sched/timeout.hpp"
#include "weft/error.hpp"

// What can be thrown into a parked fiber.

namespace weft {

using detail::phase;
using detail::state;
using detail::wake;

void hub::refuse_in_callback() {
  throw std::logic_error(
      "weft: a callback may not block, yield or wait; spawn a fiber that does so");
}

std::exception_ptr hub::take_interrupt(state& fiber) noexcept {
  std::exception_ptr error;
  if (fiber.extras) error = std::exchange(fiber.extras->interrupt, nullptr);
  if (fiber.has(detail::cancel_requested)) error = nullptr; // a request to end is never lost
  fiber.clear(detail::cancel_requested | detail::throw_requested);
  return error;
}

void hub::throw_interrupt() {
  if (!running_->has(detail::cancel_requested | detail::throw_requested))
    throw timeout_expired(detail::take_expired(*running_));
  if (auto error = take_interrupt(*running_)) std::rethrow_exception(std::move(error));
  throw cancelled();
}

void hub::throw_pending_interrupt() {
  if (detail::may_throw_here()) throw_interrupt();
}

bool hub::interrupt(state& fiber, std::exception_ptr error) noexcept {
  if (fiber.done() || fiber.where == phase::finished) return false;
  if (error) {
    detail::extras_of(fiber).interrupt = std::move(error);
    fiber.set(detail::throw_requested);
  } else {
    fiber.set(detail::cancel_requested);
    if (fiber.extras && !fiber.extras->stops.empty()) request_stop(fiber);
  }
  if (fiber.where == phase::parked) {
    if (fiber.parked_at->interruptible) unpark(fiber, wake::interrupted);
  } else if (fiber.where == phase::later) {
    start_now(fiber);
  }
  return true;
}

void hub::request_timeout(state& fiber) noexcept {
  fiber.set(detail::timeout_requested);
  if (fiber.where == phase::parked && fiber.parked_at->interruptible)
    unpark(fiber, wake::interrupted);
}

} // namespace weft

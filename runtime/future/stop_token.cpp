// SPDX-License-Identifier: BSL-1.0
#include "weft/stop_token.hpp"

#include <algorithm>
#include <memory>

#include "runtime/sched/callback.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/reach.hpp"
#include "runtime/sched/state.hpp"
#include "weft/std_future.hpp"

namespace weft {

void hub::request_stop(detail::state& fiber) noexcept {
  // A callback may ask for another token, which finds the list free for it.
  detail::request_stops(std::exchange(fiber.extras->stops, {}));
}

namespace detail {

void request_stops(const std::vector<std::stop_source>& stops) noexcept {
  if (stops.empty()) return;
  const auto tell = [&] {
    for (std::stop_source stop : stops)
      stop.request_stop();
  };
  if (hub* const h = this_hub)
    h->as_callback(tell);
  else
    tell();
}

namespace {

bool cancelled_or_to_be(const state& s) noexcept {
  return s.done() ? s.outcome.load(std::memory_order_acquire) == outcome_kind::cancelled
                  : s.has(cancel_requested);
}

/// On the thread of its hub: sees to it that `stop` hears of a request, be it one that is pending.
void connect(state& fiber, std::stop_source stop) {
  if (cancelled_or_to_be(fiber))
    request_stops({std::move(stop)});
  else if (!fiber.done())
    extras_of(fiber).stops.push_back(std::move(stop));
}

struct connect_message : inbox_item {
  connect_message(state& s, std::stop_source stop) : source(std::move(stop)) {
    retain(s);
    fiber = state_ref(&s);
    deliver = [](inbox_item& item) noexcept {
      const std::unique_ptr<connect_message> mine(static_cast<connect_message*>(&item));
      run_callback("a stop token", [&] { connect(*mine->fiber, std::move(mine->source)); });
    };
  }
  state_ref fiber;
  std::stop_source source;
};

struct stop_if_cancelled final : callback_base {
  stop_if_cancelled(state& s, std::stop_source stop) : of(&s), source(std::move(stop)) {}
  void call() override {
    if (cancelled_or_to_be(*of)) source.request_stop();
  }
  state* of; // which calls this when it is settled, and lives for so long
  std::stop_source source;
};

} // namespace

std::stop_token stop_token_of_state(state& s) {
  if (s.has(thread_fiber)) return {};
  const bool here = s.type->run && this_hub && runner_of(s) == this_hub;
  if (here && !s.done()) {
    const fiber_extras* extras = s.extras;
    if (extras && !extras->stops.empty()) return extras->stops.front().get_token();
  }
  std::stop_source stop;
  std::stop_token token = stop.get_token();
  if (!s.type->run) {
    when_settled(s, std::make_unique<stop_if_cancelled>(s, std::move(stop)));
  } else if (here) {
    connect(s, std::move(stop));
  } else {
    auto message = std::make_unique<connect_message>(s, std::move(stop));
    bool tell = false;
    const reached how = reach(s, *message, [&] {
      tell = s.has(cancel_requested);
      if (!tell) extras_of(s).stops.push_back(message->source);
    });
    if (how == reached::posted)
      static_cast<void>(message.release());
    else if (tell || cancelled_or_to_be(s))
      message->source.request_stop();
  }
  return token;
}

} // namespace detail

std::stop_token this_fiber::stop_token() {
  hub* const h = detail::this_hub;
  detail::state* const self = h ? h->running() : nullptr;
  return self ? detail::stop_token_of_state(*self) : std::stop_token();
}

} // namespace weft

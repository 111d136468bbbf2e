// SPDX-License-Identifier: BSL-1.0
#include "tests/semantics/blocking_calls.hpp"

using weft::detail::blocking_call;

namespace blocking {

std::vector<variant> future_variants(blocking_call call) {
  switch (call) {
  case blocking_call::sleep:
    return {{call, "sleep", [] {
               return in<nothing>([](nothing&) { weft::sleep(std::chrono::hours(1)); },
                                  [](nothing&, weft::deadline limit) {
                                    weft::sleep(limit);
                                    return false;
                                  });
             }}};
  case blocking_call::join:
    return {{call, "join", [] {
               return in<endless>(
                   [](endless& e) { e.task.join(); },
                   [](endless& e, weft::deadline limit) { return e.task.join(limit); });
             }}};
  case blocking_call::wait:
    return {{call, "future_wait",
             [] {
               return in<weft::promise<int>>(
                   [](auto& p) { p.get_future().wait(); },
                   [](auto& p, weft::deadline limit) { return p.get_future().wait_for(limit); });
             }},
            {call, "task_wait", [] {
               return in<endless>(
                   [](endless& e) { e.task.wait(); },
                   [](endless& e, weft::deadline limit) { return e.task.wait_for(limit); });
             }}};
  case blocking_call::get:
    return {{call, "future_get",
             [] { return in<weft::promise<int>>([](auto& p) { p.get_future().get(); }, nullptr); },
             false},
            {call, "task_get",
             [] { return in<endless>([](endless& e) { e.task.get(); }, nullptr); }, false},
            {call, "any_task_get",
             [] { return in<endless>([](endless& e) { weft::any_task(e.task).get(); }, nullptr); },
             false}};
  case blocking_call::kill:
    return {{call, "kill", [] {
               return in<stubborn>(
                   [](stubborn& s) { s.task.kill(); },
                   [](stubborn& s, weft::deadline limit) { return s.task.kill(limit); });
             }}};
  default:
    return {};
  }
}

} // namespace blocking

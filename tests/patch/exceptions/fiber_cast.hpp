// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>

#include <weft/weft.hpp>

#include "scenes.hpp"

struct fiber_cast final : scenes::cast {
  void play(const std::vector<std::function<void()>>& parts) override {
    std::vector<weft::task<void>> tasks;
    for (const auto& part : parts)
      tasks.push_back(weft::spawn(part));
    std::exception_ptr first;
    for (const auto& each : tasks) {
      try {
        each.get();
      } catch (...) {
        if (!first) first = std::current_exception();
      }
    }
    if (first) std::rethrow_exception(first);
  }
  void give_way() override { weft::yield(); }
};

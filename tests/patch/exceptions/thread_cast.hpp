// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sched.h>

#include <exception>
#include <thread>

#include "scenes.hpp"

struct thread_cast final : scenes::cast {
  void play(const std::vector<std::function<void()>>& parts) override {
    std::vector<std::exception_ptr> left(parts.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < parts.size(); ++i)
      threads.emplace_back([&, i] {
        try {
          parts[i]();
        } catch (...) {
          left[i] = std::current_exception();
        }
      });
    for (auto& each : threads)
      each.join();
    for (const auto& each : left)
      if (each) std::rethrow_exception(each);
  }
  void give_way() override { sched_yield(); }
};

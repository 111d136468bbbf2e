// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "tests/conformance/check.hpp"

#include <atomic>
#include <pthread.h>

namespace conformance {

enum class cancelled_when {
  blocked,        // while it blocks in the call
  before,         // the request is pending when it calls
  asynchronously, // while it blocks, with PTHREAD_CANCEL_ASYNCHRONOUS
};

// Cancels a thread that blocks in call(): it must end as cancelled, with its stack unwound.
template <class Call>
void cancels(const char* what, Call call, cancelled_when when = cancelled_when::blocked) {
  struct context {
    Call* call;
    cancelled_when when;
    std::atomic<bool> entered{false};
    std::atomic<bool> unwound{false};
    std::atomic<bool> returned{false};
  } shared{&call, when};
  pthread_t thread{};
  pthread_create(
      &thread, nullptr,
      [](void* argument) -> void* {
        auto& mine = *static_cast<context*>(argument);
        struct guard {
          std::atomic<bool>& flag;
          ~guard() { flag.store(true); }
        } on_exit{mine.unwound};
        if (mine.when == cancelled_when::before) pthread_cancel(pthread_self());
        if (mine.when == cancelled_when::asynchronously)
          pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
        mine.entered.store(true);
        (*mine.call)();
        mine.returned.store(true);
        return nullptr;
      },
      &shared);
  wait_until([&] { return shared.entered.load(); }, "the thread has begun");
  if (when != cancelled_when::before) {
    let_others_block();
    expect_equal(pthread_cancel(thread), 0, "pthread_cancel");
  }
  void* result = nullptr;
  pthread_join(thread, &result);
  expect(result == PTHREAD_CANCELED, std::string(what) + ": the result is PTHREAD_CANCELED");
  expect(shared.unwound.load(), std::string(what) + ": destructors have run");
  expect(!shared.returned.load(), std::string(what) + ": the call did not return");
}

} // namespace conformance

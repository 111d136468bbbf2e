// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/sites/entry.hpp"

/// The dispatcher under test programs: it records, and answers as it is told.
namespace weft::patch::testing {

enum class answer {
  number, // done: 1000 + the call's number
  native,
  spawn,
  hook, // whatever `hook` says
};

struct dispatcher_state {
  answer how = answer::native;
  dispatch_result (*hook)(syscall_frame*) = nullptr;
  void (*after_spawn)(syscall_frame*) = nullptr;
  volatile unsigned dispatched = 0;
  volatile unsigned after_spawns = 0;
  quick_wake wakes = quick_wake::refused; // what weft_wake says
  volatile unsigned woken = 0;
  syscall_frame last{};
};

extern dispatcher_state dispatcher;

/// Lists of waiters for the stub while it lives: all empty, or all with somebody in them.
class waiter_lists {
 public:
  explicit waiter_lists(bool empty) noexcept;
  ~waiter_lists();
  waiter_lists(const waiter_lists&) = delete;
  waiter_lists& operator=(const waiter_lists&) = delete;
};

/// Makes every call virtual for this thread while it lives.
class virtual_scope {
 public:
  explicit virtual_scope(answer how, dispatch_result (*hook)(syscall_frame*) = nullptr) noexcept;
  ~virtual_scope();
  virtual_scope(const virtual_scope&) = delete;
  virtual_scope& operator=(const virtual_scope&) = delete;

  entry_state state;
};

} // namespace weft::patch::testing

// SPDX-License-Identifier: BSL-1.0
#include "tests/patch/sites/test_dispatcher.hpp"

#include "patch/sites/raw_syscall.hpp"

constinit thread_local weft::patch::entry_state* weft_self = nullptr;

namespace weft::patch::testing {

constinit dispatcher_state dispatcher;

waiter_lists::waiter_lists(bool empty) noexcept {
  static constinit struct {
    const void* first;
    const void* last;
  } lists[futex_lists] = {};
  for (auto& list : lists)
    list = {empty ? &list : nullptr, nullptr};
  weft_futex_lists = lists;
}

waiter_lists::~waiter_lists() {
  weft_futex_lists = nullptr;
}

virtual_scope::virtual_scope(answer how, dispatch_result (*hook)(syscall_frame*)) noexcept {
  dispatcher.how = how;
  dispatcher.hook = hook;
  dispatcher.dispatched = 0;
  dispatcher.after_spawns = 0;
  for (auto& entry : weft_virtual)
    entry = 1;
  weft_self = &state;
}

virtual_scope::~virtual_scope() {
  weft_self = nullptr;
  for (auto& entry : weft_virtual)
    entry = 0;
}

} // namespace weft::patch::testing

using namespace weft::patch;
using namespace weft::patch::testing;

dispatch_result weft_dispatch(syscall_frame* frame) {
  dispatcher.dispatched = dispatcher.dispatched + 1;
  dispatcher.last = *frame;
  switch (dispatcher.how) {
  case answer::number:
    frame->rax += 1000;
    return dispatch_result::done;
  case answer::native:
    return dispatch_result::native;
  case answer::spawn:
    return dispatch_result::spawn;
  case answer::hook:
    return dispatcher.hook(frame);
  }
  return dispatch_result::native;
}

void weft_native(syscall_frame* frame) {
  frame->rax =
      static_cast<std::uint64_t>(raw_syscall(static_cast<long>(frame->rax), frame->rdi, frame->rsi,
                                             frame->rdx, frame->r10, frame->r8, frame->r9));
}

void weft_after_spawn(syscall_frame* frame) {
  dispatcher.after_spawns = dispatcher.after_spawns + 1;
  dispatcher.last = *frame;
  if (dispatcher.after_spawn) dispatcher.after_spawn(frame);
}

quick_wake weft_wake(const std::uint32_t*, void*) {
  dispatcher.woken = dispatcher.woken + 1;
  return dispatcher.wakes;
}

void weft_finish_wake(syscall_frame* frame) {
  dispatcher.last = *frame;
  frame->rax = 1;
}

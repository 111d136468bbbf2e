// SPDX-License-Identifier: BSL-1.0
//
// What the patch shows to others: its table, and nothing else.
#include "patch/kernel/fibers.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"
#include "runtime/core/patch_table.h"

using namespace weft::patch;

namespace {

/// Around what a thread of the program's has weft do: a signal that comes meanwhile waits.
class inside_weft {
 public:
  inside_weft() noexcept : g_(*self()), was_(g_.in_kernel) { enter_weft(g_); }
  inside_weft(const inside_weft&) = delete;
  inside_weft& operator=(const inside_weft&) = delete;
  ~inside_weft() {
    if (was_)
      the_machine().lock.release(); // called out of a call (fibers.cpp)
    else
      leave_weft(g_);
  }
  green& caller() const noexcept { return g_; }

 private:
  green& g_;
  bool was_;
};

int is_active() {
  return weft_self != nullptr;
}

unsigned thread_count() {
  const machine& m = the_machine();
  return m.count - m.fibers;
}

weft_fiber_host* table_make_host(const weft_fiber_hooks* hooks) {
  if (!self()) return nullptr;
  const inside_weft inside;
  return make_host(inside.caller(), *hooks);
}

void table_drop_host(weft_fiber_host* host) {
  const inside_weft inside;
  drop_host(*static_cast<fiber_host*>(host));
}

void begin_fiber(weft_fiber_host* host, void* fiber) {
  auto& h = *static_cast<fiber_host*>(host);
  h.next = fiber;
  h.made = nullptr;
}

void* end_fiber(weft_fiber_host* host, void*** context, void** stack, void** stack_top) {
  auto& h = *static_cast<fiber_host*>(host);
  h.next = nullptr;
  if (!h.made) return nullptr;
  *context = &h.made->suspended;
  *stack = reinterpret_cast<void*>(h.made_with.stack);
  *stack_top = reinterpret_cast<void*>(h.made_with.stack + h.made_with.stack_size);
  return h.made;
}

/// A signal must not find one thread's books and another's thread pointer.
void table_enter(void* thread) {
  green& from = *self();
  green& to = *static_cast<green*>(thread);
  const bool was = from.in_kernel;
  const bool will_be = to.in_kernel;
  to.in_kernel = true;
  enter_weft(from);
  enter(to);
  from.in_kernel = was;
  if (will_be)
    the_machine().lock.release();
  else
    leave_weft(to);
}

void take_woken(weft_fiber_host* host, void (*wake)(void* fiber)) {
  const inside_weft inside;
  auto& h = *static_cast<fiber_host*>(host);
  while (!h.woken_fibers.empty())
    wake(h.woken_fibers.pop_front().fiber);
  h.woken = 0;
}

void free_fiber(void* thread) {
  const inside_weft inside;
  finish_exit(*static_cast<green*>(thread));
}

void table_yield() {
  if (the_machine().now != phase::active) return;
  const inside_weft inside;
  look_for_events(inside.caller());
  yield(inside.caller());
}

void choose_families(unsigned families, int no_others) {
  const inside_weft inside;
  machine& m = the_machine();
  m.families = no_others ? families : m.families | families;
  // Kernel threads that the program makes may wait for any word.
  if (!(m.families & WEFT_FAMILY_THREAD)) m.futexes.expect_outsiders();
  if (m.phase_changed) m.phase_changed(m.now);
}

const char* why_not() {
  return the_machine().why_not;
}

constexpr weft_patch_table table{
    sizeof(weft_patch_table),
    is_active,
    thread_count,
    table_make_host,
    table_drop_host,
    begin_fiber,
    end_fiber,
    table_enter,
    take_woken,
    free_fiber,
    table_yield,
    choose_families,
    why_not,
};

} // namespace

extern "C" [[gnu::visibility("default")]] const weft_patch_table* weft_patch_get_table() {
  return &table;
}

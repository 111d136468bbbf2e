// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/generator.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <new>

#include "runtime/core/sys.hpp"
#include "runtime/sched/deliverable.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/stack_overflow.hpp"
#include "weft/generator.hpp"

// Going over to a generator's stack and back.

namespace weft::detail {

constinit thread_local carrier* stack_outside_fibers = nullptr;

namespace {

/// One for all threads: a generator may end on another than it began on, and outlive both.
struct generator_stacks {
  std::mutex mutex;
  std::array<std::unique_ptr<core::stack_pool>, stack_classes> pools;

  core::stack acquire(std::uint32_t stack_class) {
    const std::lock_guard held(mutex);
    auto& pool = pools[stack_class];
    if (!pool) pool = take_stack_pool(stack_class);
    return pool->acquire();
  }
  void release(std::uint32_t stack_class, core::stack memory) noexcept {
    const std::lock_guard held(mutex);
    pools[stack_class]->release(memory);
  }
};
generator_stacks& stacks() {
  static generator_stacks& instance = *new generator_stacks; // generators may be static objects
  return instance;
}

/// A thread without a hub has nobody else who would see to it.
struct overflow_watch {
  overflow_watch() { watch_for_stack_overflow(); }
  overflow_watch(const overflow_watch&) = delete;
  overflow_watch& operator=(const overflow_watch&) = delete;
  ~overflow_watch() {
    if (!this_hub) ignore_stack_overflow();
  }
};
void watch_this_thread() {
  static thread_local const overflow_watch watch;
  static_cast<void>(watch);
}

} // namespace

carrier* take_stack_outside_fibers() noexcept {
  return std::exchange(stack_outside_fibers, nullptr);
}

execution& execution_beneath(carrier& c) noexcept {
  auto* outermost = static_cast<generator_stack*>(&c);
  while (outermost->other_stack)
    outermost = static_cast<generator_stack*>(outermost->other_stack);
  return outermost->caller_as;
}

void lock_generator_stacks() noexcept {
  stacks().mutex.lock();
}
void unlock_generator_stacks() noexcept {
  stacks().mutex.unlock();
}

generator_stack* generator_stack::make(generator_core& body) {
  if (!this_hub) watch_this_thread();
  const core::stack memory = stacks().acquire(body.stack_class);
  if (!memory.top) throw std::bad_alloc();
  auto at = reinterpret_cast<std::uintptr_t>(memory.top) - sizeof(generator_stack);
  at &= ~std::uintptr_t{63};
  auto* s = ::new (reinterpret_cast<void*>(at)) generator_stack;
  s->memory = memory;
  s->stack_class = body.stack_class;
  s->body = &body;
  s->other_stack = s;
  const std::size_t taken = reinterpret_cast<std::uintptr_t>(memory.top) - at;
  s->other_context = core::make_context(s, memory.size - taken, &run);
  s->as.make(memory.top, memory.size);
  s->thread = &stack_outside_fibers;
  s->hub_of_thread = this_hub;
  return s;
}

void generator_stack::release() noexcept {
  const core::stack of = memory;
  const std::uint32_t size_class = stack_class;
  as.unmake(of.top, of.size);
  std::destroy_at(this);
  stacks().release(size_class, of);
}

[[gnu::noinline]] void generator_stack::answer() {
  while (asks) {
    asks = false;
    may_pass = caller_passes && may_throw_here();
    cross_to_body();
  }
}

[[gnu::noinline]] void generator_stack::cross_to_body() noexcept {
  cross(caller_as, as);
}

[[gnu::noinline]] void generator_stack::cross_to_caller() noexcept {
  cross(as, caller_as);
}

bool generator_stack::may_throw_beneath() {
  asks = true;
  cross_to_caller();
  return may_pass;
}

void generator_stack::run(core::transfer t) {
  *static_cast<void**>(t.data) = t.from;
  auto& s = static_cast<generator_stack&>(*current_stack());
  s.as.arrive_from(s.caller_as);
  generator_core& g = *s.body;
  try {
    g.run();
  } catch (const generator_exit&) {
    if (!g.closing) g.thrown = std::current_exception();
  } catch (...) {
    g.thrown = std::current_exception();
  }
  g.drop_body();
  g.where = generator_phase::finished;
  s.cross_to_caller();
  core::sys::fatal("weft: a generator was entered that is at its end\n");
}

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/identity.hpp"

#include <cxxabi.h>
#include <pthread.h>

#include <new>

#include "runtime/core/sys.hpp"
#include "runtime/sched/deliverable.hpp"
#include "runtime/sched/generator.hpp"
#include "runtime/sched/hub.hpp"
#include "runtime/sched/patch.hpp"
#include "runtime/sched/state.hpp"
#include "weft/error.hpp"

// Fibers with identity: beginning, switching, end.

namespace weft {

using detail::identity;
using detail::outcome_kind;
using detail::phase;
using detail::state;

namespace detail {

namespace {
constexpr std::size_t guard_bytes = 4096; // that pthread_create puts below a stack
} // namespace

identity& identity_of(const state& fiber) noexcept {
  return *static_cast<identity*>(stack_of_fiber(fiber));
}

void* suspended_context(const state& fiber) noexcept {
  return has_identity(fiber) && fiber.stack ? *identity_of(fiber).suspended : fiber.context;
}

} // namespace detail

namespace {
/// Says that an exception is handled: see `identity`.
constinit detail::exception_state of_another_thread{&of_another_thread, 1};
} // namespace

void hub::look_for_patch() noexcept {
  static constexpr weft_fiber_hooks hooks{sizeof(weft_fiber_hooks), &park_in_call, &identity_ended};
  if (host_) return;
  patch_ = detail::patch_table();
  host_ = patch_ ? patch_->make_host(&hooks) : nullptr;
  if (host_) default_class_ = detail::identity_class;
}

/// Makes the thread of a fiber that is to begin.
bool hub::make_identity(state& fiber) noexcept {
  auto* id = new (std::nothrow) identity;
  if (!id) return false;
  id->home = this;
  id->fiber = &fiber;
  id->stack_class = fiber.stack_class;
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) == 0) {
    ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    const std::uint32_t size = fiber.stack_class - detail::identity_class;
    const bool fits =
        size == 0 || ::pthread_attr_setstacksize(&attributes, detail::usable_in_class(size)) == 0;
    patch_->begin_fiber(host_, id);
    pthread_t thread;
    void* low = nullptr;
    if (fits && ::pthread_create(&thread, &attributes, &run_identity, id) == 0)
      id->thread = patch_->end_fiber(host_, &id->suspended, &low, &id->memory.top);
    else
      patch_->end_fiber(host_, &id->suspended, &low, &id->memory.top);
    ::pthread_attr_destroy(&attributes);
    id->memory.size =
        static_cast<std::size_t>(static_cast<char*>(id->memory.top) - static_cast<char*>(low)) -
        detail::guard_bytes;
  }
  if (!id->thread) {
    delete id;
    return false;
  }
  fiber.stack = id;
  return true;
}

/// The loop's way into a fiber with identity.
void hub::enter_identity(state& fiber) noexcept {
  if (fiber.where == phase::unstarted) {
    if (fiber.has(detail::interrupt_requested)) return end_before_begin(fiber);
    if (!make_identity(fiber)) return fail_to_start(fiber);
  }
  identity& id = detail::identity_of(fiber);
  exceptions_ = &of_another_thread;
  void* const context = *id.suspended; // from `enter` on it is what runs here that is suspended
  patch_->enter(id.thread);
  jump(context, &loop_.context, loop_as_, fiber.stack->as);
  running_ = nullptr;
  if (left_) free_identity(*std::exchange(left_, nullptr));
}

void hub::end_before_begin(state& fiber) noexcept {
  std::exception_ptr error = take_interrupt(fiber);
  detail::drop_callable(fiber);
  if (fiber.extras) detail::end_locals(fiber);
  if (error) ::new (static_cast<void*>(fiber.storage)) std::exception_ptr(error);
  finish(fiber, error ? outcome_kind::error : outcome_kind::cancelled);
}

/// Away from a fiber with identity, to any context but another such fiber's.
void hub::leave_identity(identity& id, void* to, detail::execution& target) noexcept {
  detail::execution& from = id.fiber->stack->as;
  exceptions_ = thread_exceptions_;
  patch_->enter(host_->thread); // from here on thread-locals are the hub's thread's
  jump(to, id.suspended, from, target);
}

void hub::leave_identity_for_loop(identity& id) noexcept {
  if (!fresh_.empty()) queue_batch();
  --switches_left_;
  leave_identity(id, loop_.context, loop_as_);
}

void* hub::run_identity(void* argument) {
  auto& id = *static_cast<identity*>(argument);
  hub& h = *id.home;
  state& self = *id.fiber;
  detail::this_hub = &h;
  h.running_ = &self;
  self.where = phase::running;
  {
    /// Also when the body is left by pthread_exit or pthread_cancel, which make it cancelled.
    struct at_end {
      state& fiber;
      ~at_end() {
        detail::drop_callable(fiber);
        if (fiber.extras) detail::end_locals(fiber);
      }
    };
    const at_end clean_up{self};
    try {
      self.type->run(self);
      id.outcome = outcome_kind::value;
    } catch (const cancelled&) {
    } catch (const abi::__forced_unwind&) {
      throw;
    } catch (...) {
      id.outcome = outcome_kind::error;
      id.error = std::current_exception();
    }
  }
  if (id.is_thread) { // the hub has only this thread
    h.finish_identity(id);
    h.leave_identity_for_loop(id);
  }
  return nullptr; // thread_locals are destroyed, then `identity_ended` is called
}

/// Called by the patch in the fiber's last system call.
void hub::identity_ended(void* fiber) {
  auto& id = *static_cast<identity*>(fiber);
  hub& h = *id.home;
  h.left_ = &id;
  h.leave_identity_for_loop(id);
  core::sys::fatal("weft: a fiber was entered that is at its end\n");
}

void hub::finish_identity(identity& id) noexcept {
  state& self = *id.fiber;
  if (id.outcome == outcome_kind::error)
    ::new (static_cast<void*>(self.storage)) std::exception_ptr(std::move(id.error));
  finish(self, id.outcome);
}

/// On the loop, as the next of its turns begins.
void hub::free_identity(identity& id) noexcept {
  patch_->free_fiber(id.thread);
  detail::retain(*id.fiber);
  const detail::state_ref kept(id.fiber); // destroyed outside of any fiber
  running_ = id.fiber;
  finish_identity(id);
  running_ = nullptr;
  if (!fresh_.empty()) queue_batch();
  delete &id;
}

/// Called by the patch on a fiber's stack, inside one of its system calls, of which the fiber's
/// thread is the caller: nothing here may make another.
int hub::park_in_call(void* fiber, weft_park how) {
  auto& id = *static_cast<identity*>(fiber);
  hub& h = *id.home;
  state& self = *id.fiber;
  state* const running = h.running_; // null inside a callback
  detail::park_record record;
  record.fiber = &self;
  record.call = detail::blocking_call::libc_call;
  record.since = h.now_;
  record.interruptible = how == WEFT_PARK_UNTIL_REFUSED;
  const bool refused = record.interruptible && self.has(detail::interrupt_requested);
  self.parked_at = &record;
  if (refused || how == WEFT_PARK_YIELD) {
    // Refused, too, it lets others go on: it may try again and again.
    if (!h.fresh_.empty()) h.queue_batch();
    self.where = phase::ready;
    h.ready_.push_back(self);
  } else {
    self.where = phase::parked;
    ++h.parked_in_calls_;
  }
  const bool parked = self.where == phase::parked;
  h.leave_identity_for_loop(id);
  if (parked) --h.parked_in_calls_;
  self.parked_at = nullptr;
  self.where = phase::running;
  h.running_ = running;
  return refused || record.result == detail::wake::interrupted;
}

void hub::take_woken_fibers() noexcept {
  patch_->take_woken(host_, [](void* fiber) noexcept {
    auto& id = *static_cast<identity*>(fiber);
    id.home->unpark(*id.fiber);
  });
}

} // namespace weft

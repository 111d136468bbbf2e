// SPDX-License-Identifier: BSL-1.0
//
// Switches of green threads, as ThreadSanitizer has to be told of them.
#include "crew.hpp"
#include "patch/kernel/thread_pointer.hpp"
#include "runtime/core/context/context.hpp"

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace weft::patch {

bool has_fsgsbase = true; // no call of the kernel's is needed where it is not set

namespace {

thread_local void* next_fiber = nullptr;

} // namespace

void* current_fiber() noexcept {
#if defined(__SANITIZE_THREAD__)
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}
void* new_fiber() noexcept {
#if defined(__SANITIZE_THREAD__)
  return __tsan_create_fiber(0);
#else
  return nullptr;
#endif
}
void end_fiber([[maybe_unused]] void* fiber) noexcept {
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(fiber);
#endif
}

[[gnu::noinline, gnu::no_sanitize("thread")]] void set_thread_pointer(void* p) noexcept {
  const std::ptrdiff_t distance =
      reinterpret_cast<char*>(&weft_self) - static_cast<char*>(thread_pointer());
  weft_self = *reinterpret_cast<entry_state**>(static_cast<char*>(p) + distance);
  next_fiber = fiber_of(p);
}

} // namespace weft::patch

#if defined(__SANITIZE_THREAD__)
/// What is read without the lock by intent (patch/kernel/glance.hpp), and nothing else.
extern "C" [[gnu::visibility("default")]] const char* __tsan_default_suppressions() {
  return "race:weft::patch::glance::\n";
}
#endif

// By the linker's --wrap.
extern "C" {

using namespace weft;

core::transfer __real_weft_jump_keeping_vectors(core::context to, void* data,
                                                core::jump_function jump) noexcept;
long __real_weft_native_call(const patch::syscall_frame* frame);

[[gnu::no_sanitize("thread")]] core::transfer
__wrap_weft_jump_keeping_vectors(core::context to, void* data, core::jump_function jump) noexcept {
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(patch::next_fiber, 0);
#endif
  return __real_weft_jump_keeping_vectors(to, data, jump);
}

/// The worker's state is released by an instruction that the sanitizer does not see.
long __wrap_weft_native_call(const patch::syscall_frame* frame) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(&patch::self()->on->state);
#endif
  return __real_weft_native_call(frame);
}
}

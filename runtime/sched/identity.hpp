// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>

#include "runtime/core/patch_table.h"
#include "runtime/sched/carrier.hpp"
#include "weft/detail/state.hpp"

namespace weft::detail {

/// What makes a fiber a thread to the C library, under the patch: a pthread that its hub runs,
/// with its own TLS, tid and errno, so that any library may block in it (stdio's and recursive
/// locks, OpenSSL, the resolver all know their owners by the thread). One for each such fiber:
/// made when that first runs, gone when its thread_locals are destroyed, for a thread that is used
/// again would keep the values of those that have no destructor.
///
/// Hub, light fibers and fibers with identity are one flow of control. Only the loop enters a
/// fiber with identity, so that no other switch has to look whether the thread pointer changes:
/// such a fiber's `context` is null, which sends whoever picks it to the loop, and while it runs
/// `hub::exceptions_` shows an exception, which sends its own switches by the slower way, where it
/// is left. Inside a system call (`park_in_call`) nothing is done but to go to the loop, since
/// that is no place for calls of our own.
struct identity : carrier {
  state* fiber = nullptr;
  void* thread = nullptr;    // the patch's
  void** suspended = nullptr; // its context while it does not run, where the patch sees it too
  std::exception_ptr error;
  outcome_kind outcome = outcome_kind::cancelled; // unless the body says otherwise
  bool is_thread = false; // after a fork that it made, it is its process's only thread
};

/// In `ready_item::stack_class`: a fiber with identity. The rest is its stack's class, or none for
/// what pthreads have.
inline constexpr std::uint32_t identity_class = 32;
static_assert(identity_class > stack_classes);

[[nodiscard]] inline bool has_identity(const ready_item& item) noexcept {
  return item.stack_class >= identity_class;
}
/// Of a fiber that has begun.
[[nodiscard]] identity& identity_of(const state& fiber) noexcept;

/// Usable bytes, as they were asked for or, of a pthread's stack, as they are.
[[nodiscard]] inline std::size_t stack_size_of(const carrier& stack) noexcept {
  return stack.stack_class < identity_class ? usable_in_class(stack.stack_class)
                                            : stack.memory.size;
}

/// The context of a fiber that is ready or parked.
[[nodiscard]] void* suspended_context(const state& fiber) noexcept;

} // namespace weft::detail

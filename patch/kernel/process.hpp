// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include "patch/kernel/green.hpp"

/// Processes: making them, becoming another, waiting for them, ending.
namespace weft::patch {

/// To be called before the kernel makes a process for g, the caller, with clone's `flags`:
/// the child inherits g's mask and not the worker's; one that shares our memory (vfork,
/// posix_spawn) must not find weft at work in it.
void before_spawn(green& g, std::uint64_t flags) noexcept;

/// A child that has not been waited for, as far as weft has seen its making.
/// Waits (parked) until one that `pid` and `options` of wait4 select may have changed state.
/// 0, or a restart code after a signal.
long wait_for_children(green& g, pid_t pid, int options) noexcept;
/// A wait has reaped it.
void forget_child(pid_t pid) noexcept;

/// Prints what is to be printed at the end.
void before_exit() noexcept;
[[noreturn]] void end_process(int status) noexcept;

} // namespace weft::patch

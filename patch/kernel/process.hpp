// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "patch/kernel/green.hpp"

/// Processes: making them, becoming another, ending. Children are the kernel's to keep books on,
/// and to wait for (wait_in_kernel).
namespace weft::patch {

/// To be called before the kernel makes a process for g, the caller, with clone's `flags`: the
/// child inherits what is g's and not the worker's; one that shares our memory (vfork,
/// posix_spawn) must not find weft at work in it.
void before_spawn(green& g, std::uint64_t flags) noexcept;

/// Ends weft's part of that call until `weft_after_spawn`.
void leave_for_spawn(green& g) noexcept;

/// Whether the caller, for all that is known g, is its double: a process that uses g's TLS. Its
/// calls and signals are the kernel's business.
[[nodiscard]] bool is_double(const green& g) noexcept;

/// As before_spawn, before g becomes another program, and when it did not.
void before_exec(green& g) noexcept;
void after_failed_exec(green& g) noexcept;

/// What the kernel would do at the process's end for threads that it does not know, and what is to
/// be printed.
void before_exit() noexcept;
[[noreturn]] void end_process(int status) noexcept;

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>

namespace weft::patch {

/// What a seccomp filter of the program's, `count` instructions at `code` in its memory, answers to
/// `call`: SECCOMP_RET_*. SECCOMP_RET_ALLOW if it cannot be read or is no filter (the kernel will
/// say so).
[[nodiscard]] std::uint32_t evaluate_filter(const sock_filter* code, unsigned count,
                                            const seccomp_data& call) noexcept;

/// Before the filter, a sock_fprog of the program's, is set: does without io_uring if it forbids
/// that, and says on standard error if it forbids other calls that weft itself makes: under it the
/// program may fail where natively it would not. That is said once in a process.
void prepare_for_filter(const sock_fprog* program) noexcept;

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/green.hpp"
#include "patch/kernel/print.hpp"
#include "patch/observe/registers.hpp"

/// Threads and their stacks in words, for reports: written without malloc, at any moment.
namespace weft::patch {

/// `thread 4194306 "worker"`.
void name_thread(line_printer& out, const green& g) noexcept;

/// `futex(0x7f.., 128, 2)`: what the thread asked the kernel for.
void name_call(line_printer& out, const syscall_frame& call) noexcept;

/// Whether that is an address in weft's own code: the stubs and what they lead to.
[[nodiscard]] bool is_wefts(std::uint64_t address) noexcept;

/// A line for each function from `registers` outwards, without weft's own. At most `most`.
void report_stack(int descriptor, stack_registers registers, int most) noexcept;

} // namespace weft::patch

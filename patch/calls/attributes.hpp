// SPDX-License-Identifier: BSL-1.0
#pragma once

/// What the kernel keeps for each of its threads.
namespace weft::patch {

/// Whether prctl's `option` changes the calling kernel thread, and not the process.
[[nodiscard]] bool changes_kernel_thread(int option) noexcept;

/// Finds libc, whose setuid() is another's than syscall(SYS_setuid). At start.
void prepare_attributes() noexcept;

} // namespace weft::patch

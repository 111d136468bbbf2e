// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <time.h>

#include <string_view>

namespace weft::patch {

using clock_function = int (*)(clockid_t, timespec*);

/// The vDSO answers clock_gettime without a system call, and makes one itself for clocks that it
/// does not know, where nobody can rewrite it. libc calls it by pointers that ld.so keeps.
/// The function of that name, or null.
[[nodiscard]] clock_function find_in_vdso(std::string_view name) noexcept;

/// Makes the pointer to `found`, one of the vDSO's, `replacement`.
void replace_in_libc(clock_function found, clock_function replacement) noexcept;

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::launcher {

/// The value of LD_PRELOAD that loads `library` before all that `existing` names, which is kept in
/// its order. AddressSanitizer's runtime insists on being first: an entry of `existing`, or else
/// one of `needed` (the program's own libraries), is put before ours.
std::string preload_value(const std::string& library, std::string_view existing,
                          const std::vector<std::string>& needed);

/// The value of GLIBC_TUNABLES with a larger cache of stacks, unless `existing` has its own idea of
/// that.
std::string tunables_value(std::string_view existing);

/// Whether LD_PRELOAD can carry the path: blanks and colons separate there, and the loader expands
/// dollars.
bool is_preloadable(std::string_view path);

/// libweft-patch.so as it lies beside the launcher, in the build tree or installed: an absolute
/// path. Throws std::runtime_error with the sentence to print when it is not there or cannot be
/// read.
std::string find_patch_library();

} // namespace weft::launcher

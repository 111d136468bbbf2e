// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <dlfcn.h>

#include "patch/sites/sites.hpp"
#include "tests/patch/sites/awkward.hpp"

namespace weft::patch::testing {

inline object_view awkward_object() noexcept {
  Dl_info info;
  dladdr(reinterpret_cast<void*>(&awkward_plain), &info);
  return describe_object_at("libawkward", info.dli_fbase);
}

/// Patches libawkward, all numbers wanted, on the first call.
inline bool patch_awkward() noexcept {
  static site_report report;
  static const auto status = patch_object(
      awkward_object(), [](int) { return true; }, patch_mode::early, report);
  return status == patch_status::ok;
}

} // namespace weft::patch::testing

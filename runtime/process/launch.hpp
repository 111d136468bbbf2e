// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string>
#include <vector>

#include "weft/descriptor.hpp"
#include "weft/subprocess.hpp"

namespace weft::detail {

/// A program that was started, and this process's ends of the pipes that were asked for.
struct launched {
  pid_t pid = 0;
  descriptor in, out, err;
};

/// Throws as the constructor of `subprocess`.
launched launch(const std::vector<std::string>& arguments, const process_options& options);

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace weft::detail {

/// How far `communicate` has come.
struct conversation {
  std::string input;
  std::size_t written = 0;
  std::string out, err;
  bool out_ended = false, err_ended = false;
  std::unique_ptr<char[]> buffer = std::make_unique_for_overwrite<char[]>(buffer_size);

  static constexpr std::size_t buffer_size = std::size_t{64} << 10; // what a pipe holds
};

} // namespace weft::detail

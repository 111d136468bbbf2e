// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <sstream>
#include <string>
#include <thread>

#include "weft/weft.hpp"

namespace weft::test {

using namespace std::chrono_literals;

#if defined(__x86_64__)
inline constexpr bool stacks_can_be_read = true;
#else
inline constexpr bool stacks_can_be_read = false;
#endif

inline std::string dumped(const dump_options& options = {}) {
  std::ostringstream out;
  dump(out, options);
  return out.str();
}

/// Places of `parts` in `text`, each behind the one before.
inline testing::AssertionResult holds_in_order(const std::string& text,
                                               const std::vector<std::string>& parts) {
  std::size_t at = 0;
  for (const std::string& part : parts) {
    at = text.find(part, at);
    if (at == std::string::npos)
      return testing::AssertionFailure() << "no '" << part << "' where it should be in:\n" << text;
    at += part.size();
  }
  return testing::AssertionSuccess();
}

/// The same of frames, where there are any.
inline testing::AssertionResult holds_frames(const std::string& text,
                                             const std::vector<std::string>& parts) {
  if (!stacks_can_be_read) return testing::AssertionSuccess();
  return holds_in_order(text, parts);
}

} // namespace weft::test

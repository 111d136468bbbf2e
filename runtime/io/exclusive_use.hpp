// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <stdexcept>

namespace weft::io {

/// Keeps a second fiber out while one is inside. Of one thread.
class exclusive_use {
 public:
  exclusive_use(bool& used, const char* refusal) : used_(used) {
    if (used) throw std::logic_error(refusal);
    used = true;
  }
  exclusive_use(const exclusive_use&) = delete;
  exclusive_use& operator=(const exclusive_use&) = delete;
  ~exclusive_use() { used_ = false; }

 private:
  bool& used_;
};

} // namespace weft::io

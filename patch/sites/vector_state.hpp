// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace weft::patch {

/// The vector and floating point registers, put aside for the lifetime of this object: around the
/// decoder, which is ordinary compiled code, where the program's own values must survive. AMX tiles
/// and protection keys are not included; nothing compiled for the baseline, nor libc's memcpy,
/// changes them.
class vector_state {
 public:
  vector_state() noexcept;
  ~vector_state();
  vector_state(const vector_state&) = delete;
  vector_state& operator=(const vector_state&) = delete;

 private:
  // The standard form's components 0-2 and 5-7 end at 2688.
  alignas(64) std::uint8_t area_[2688];
  std::uint32_t components_ = 0; // of XSAVE; 0: FXSAVE
};

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include <ucontext.h>

#include "patch/kernel/user_memory.hpp"

extern "C" const char weft_user_begin[], weft_user_end[], weft_user_fault[];

namespace weft::patch {

bool resume_after_user_fault(void* context) noexcept {
  greg_t& rip = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  if (rip < reinterpret_cast<greg_t>(weft_user_begin) ||
      rip >= reinterpret_cast<greg_t>(weft_user_end))
    return false;
  rip = reinterpret_cast<greg_t>(weft_user_fault);
  return true;
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/vector_state.hpp"

#include <cpuid.h>

namespace weft::patch {

vector_state::vector_state() noexcept {
  constexpr unsigned osxsave = 1u << 27;
  constexpr std::uint32_t x87_to_avx512 = 0xe7;
  constexpr int header = 512, header_size = 64;

  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & osxsave)) {
    std::uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    components_ = low & x87_to_avx512;
  }
  if (components_) {
    __builtin_memset(area_ + header, 0, header_size);
    asm volatile("xsave64 %0" : "=m"(area_) : "a"(components_), "d"(0) : "memory");
  } else {
    asm volatile("fxsave64 %0" : "=m"(area_) : : "memory");
  }
}

vector_state::~vector_state() {
  if (components_)
    asm volatile("xrstor64 %0" : : "m"(area_), "a"(components_), "d"(0) : "memory");
  else
    asm volatile("fxrstor64 %0" : : "m"(area_) : "memory");
}

} // namespace weft::patch

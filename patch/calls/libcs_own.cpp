// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/libcs_own.hpp"

#include <link.h>
#include <unistd.h>

namespace weft::patch {

constinit code_range libcs_code;
constinit code_range libcs_syscall;

namespace {

int note_libc(dl_phdr_info* object, std::size_t, void*) noexcept {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& header = object->dlpi_phdr[i];
    const std::uint64_t low = object->dlpi_addr + header.p_vaddr;
    const code_range range{low, low + header.p_memsz};
    if (header.p_type == PT_LOAD && range.contains(libcs_syscall.low)) {
      libcs_code = range;
      return 1;
    }
  }
  return 0;
}

} // namespace

void find_libc() noexcept {
  constexpr std::uint64_t longest = 64; // of syscall()
  const auto bare = reinterpret_cast<std::uint64_t>(&::syscall);
  libcs_syscall = {bare, bare + longest};
  dl_iterate_phdr(note_libc, nullptr);
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/observe/readable.hpp"

#include <errno.h>
#include <sys/syscall.h>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr std::uint64_t page = 4096;

// A mask is fetched before the kernel looks at what to do with it.
bool kernel_can_read(std::uint64_t address) noexcept {
  constexpr int no_such_way = 99;
  return raw_syscall(SYS_rt_sigprocmask, no_such_way, address, nullptr, 8) == -EINVAL;
}

} // namespace

bool readable_memory::has(std::uint64_t address) noexcept {
  if (address == 0) return false;
  const bool within = address % page <= page - 8;
  if (within && address / page == known_page_) return true;
  if (!kernel_can_read(address)) return false;
  if (within) known_page_ = address / page;
  return true;
}

bool readable_memory::read(std::uint64_t address, std::uint64_t& word) noexcept {
  if (!has(address)) return false;
  __builtin_memcpy(&word, reinterpret_cast<const void*>(address), sizeof word);
  return true;
}

} // namespace weft::patch

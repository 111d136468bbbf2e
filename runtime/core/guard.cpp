// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/guard.hpp"

#include <sys/mman.h>

#include <atomic>
#include <cerrno>

#include "runtime/core/advise_each.hpp"
#include "runtime/core/sys.hpp"

namespace weft::core {
namespace {

// Newer than glibc 2.36's headers.
constexpr int advice_guard_install = 102;
constexpr int advice_guard_remove = 103;

// Each protected page splits a mapping in three. Beyond this number the kernel's limit
// (65,530 mappings) would soon fail the program's own mmap and malloc as well.
constexpr int most_protected = 24'000;

constinit std::atomic<bool> install_works = true;
constinit std::atomic<int> protected_now = 0;

} // namespace

guard_kind install_guard(void* at, std::size_t size) noexcept {
  if (install_works.load(std::memory_order_relaxed)) {
    const long result = sys::advise(at, size, advice_guard_install);
    if (result == 0) return guard_kind::install;
    // An older kernel, or locked memory. Anything else (no memory) may pass.
    if (result == -EINVAL) install_works.store(false, std::memory_order_relaxed);
  }
  if (protected_now.fetch_add(1, std::memory_order_relaxed) < most_protected &&
      sys::protect(at, size, PROT_NONE) == 0)
    return guard_kind::protect;
  protected_now.fetch_sub(1, std::memory_order_relaxed);
  return guard_kind::none;
}

bool install_guards(char* first, std::size_t count, std::size_t region, std::size_t size) noexcept {
  return install_works.load(std::memory_order_relaxed) &&
         advise_each(first, count, region, size, advice_guard_install);
}

int remove_guard(void* at, std::size_t size, guard_kind kind) noexcept {
  switch (kind) {
  case guard_kind::install:
    return static_cast<int>(sys::advise(at, size, advice_guard_remove));
  case guard_kind::protect: {
    const long result = sys::protect(at, size, PROT_READ | PROT_WRITE);
    if (result == 0) protected_now.fetch_sub(1, std::memory_order_relaxed);
    return static_cast<int>(result);
  }
  case guard_kind::none:
    break;
  }
  return 0;
}

} // namespace weft::core

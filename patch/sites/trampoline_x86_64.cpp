// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/trampoline.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "patch/sites/decoder.hpp"
#include "patch/sites/entry.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr std::size_t page = 4096;
constexpr std::uintptr_t reach = 0x7fff0000;
constexpr std::uint8_t trap = 0xcc;

template <std::size_t N>
void put(std::uint8_t*& p, const std::uint8_t (&bytes)[N]) noexcept {
  __builtin_memcpy(p, bytes, N);
  p += N;
}

/// The displacement that leads from the instruction that ends at `next` to `target`.
[[nodiscard]] bool put_displacement(std::uint8_t* at, const std::uint8_t* next,
                                    const std::uint8_t* target) noexcept {
  const auto distance =
      reinterpret_cast<std::intptr_t>(target) - reinterpret_cast<std::intptr_t>(next);
  const auto narrow = static_cast<std::int32_t>(distance);
  __builtin_memcpy(at, &narrow, sizeof narrow);
  return narrow == distance;
}

/// Copies whole instructions so that they mean the same at `p`.
[[nodiscard]] bool move_instructions(std::uint8_t*& p, const std::uint8_t* limit,
                                     const std::uint8_t* from, const std::uint8_t* to) noexcept {
  while (from < to) {
    instruction i;
    if (!decode({from, to}, i) || !i.movable || limit - p < i.length) return false;
    __builtin_memcpy(p, from, i.length);
    if (i.displacement) {
      std::int32_t old;
      __builtin_memcpy(&old, from + i.displacement, sizeof old);
      if (!put_displacement(p + i.displacement, p + i.length, from + i.length + old)) return false;
    }
    p += i.length;
    from += i.length;
  }
  return true;
}

std::uint8_t* map_at(std::uintptr_t address, std::size_t size) noexcept {
  const long result = raw_syscall(SYS_mmap, address, size, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (is_error(result)) return nullptr;
  if (static_cast<std::uintptr_t>(result) == address)
    return reinterpret_cast<std::uint8_t*>(result);
  raw_syscall(SYS_munmap, result, size); // before Linux 4.17 the flag is no more than a hint
  return nullptr;
}

} // namespace

bool trampoline_area::reserve(const object_view& object, std::size_t slots) noexcept {
  // One more in front holds the stub's address.
  size_ = ((slots + 1) * WEFT_SLOT_SIZE + page - 1) & ~(page - 1);
  const std::uintptr_t low = object.low & ~(page - 1);
  const std::uintptr_t high = (object.high + page - 1) & ~(page - 1);
  constexpr std::uintptr_t first_step = 64 << 10, largest_step = 16 << 20, lowest = 1 << 16;

  // Below first: above the main program the heap grows.
  base_ = nullptr;
  std::uintptr_t step = first_step;
  for (std::uintptr_t at = low; !base_ && at > size_ + step + lowest;) {
    at -= step;
    if (high - (at - size_) > reach) break;
    base_ = map_at(at - size_, size_);
    if (step < largest_step) step += step / 4 & ~(page - 1);
  }
  step = first_step;
  for (std::uintptr_t at = high; !base_;) {
    at += step;
    if (at + size_ - low > reach) break;
    base_ = map_at(at, size_);
    if (step < largest_step) step += step / 4 & ~(page - 1);
  }
  if (!base_) return false;

  const auto entry = reinterpret_cast<std::uintptr_t>(&weft_entry);
  __builtin_memcpy(base_, &entry, sizeof entry);
  used_ = WEFT_SLOT_SIZE;
  return true;
}

const std::uint8_t* trampoline_area::emit(const site_plan& plan) noexcept {
  static constexpr std::uint8_t skip_red_zone[] = {0x48, 0x8d, 0x64, 0x24, 0x80};
  static constexpr std::uint8_t call_indirect[] = {0xff, 0x15, 0, 0, 0, 0};
  static constexpr std::uint8_t unskip[] = {0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0};
  static constexpr std::uint8_t jump[] = {0xe9, 0, 0, 0, 0};
  static_assert(sizeof unskip == WEFT_SLOT_LEA_SIZE);
  constexpr std::size_t fixed =
      sizeof skip_red_zone + sizeof call_indirect + sizeof unskip + sizeof jump;

  if (used_ + WEFT_SLOT_SIZE > size_) return nullptr;
  std::uint8_t* const slot = base_ + used_;
  const std::uint8_t* const limit = slot + WEFT_SLOT_SIZE - fixed;
  const auto after_site = reinterpret_cast<std::uintptr_t>(plan.after_site());
  __builtin_memset(slot, trap, WEFT_SLOT_SIZE);
  __builtin_memcpy(slot, &after_site, sizeof after_site);

  std::uint8_t* p = slot + sizeof after_site;
  const std::uint8_t* const code = p;
  const std::uint8_t* const before_end = plan.end < plan.site ? plan.end : plan.site;
  if (!move_instructions(p, limit, plan.begin, before_end)) return nullptr;
  put(p, skip_red_zone);
  put(p, call_indirect);
  if (!put_displacement(p - 4, p, base_)) return nullptr;
  put(p, unskip);
  if (!move_instructions(p, limit + fixed - sizeof jump, plan.after_site(), plan.end))
    return nullptr;
  put(p, jump);
  if (!put_displacement(p - 4, p, plan.resume())) return nullptr;
  used_ += WEFT_SLOT_SIZE;
  return code;
}

long trampoline_area::seal() noexcept {
  const std::size_t kept = used_ > WEFT_SLOT_SIZE ? (used_ + page - 1) & ~(page - 1) : 0;
  if (kept < size_) raw_syscall(SYS_munmap, base_ + kept, size_ - kept);
  size_ = kept;
  if (!kept) return 0;
  const long result = raw_syscall(SYS_mprotect, base_, kept, PROT_READ | PROT_EXEC);
  if (is_error(result)) {
    raw_syscall(SYS_munmap, base_, kept);
    return result;
  }
  // For readers of /proc/self/maps; kernels without CONFIG_ANON_VMA_NAME refuse.
  raw_syscall(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, base_, kept, "weft trampolines");
  return 0;
}

} // namespace weft::patch

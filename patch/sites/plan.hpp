// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <span>

#include "patch/sites/region.hpp"

namespace weft::patch {

/// Which rewriting is safe at this moment. A thread that is blocked in a system call comes back to,
/// or restarts at, the `syscall` itself: once there are other threads those two bytes stay.
enum class patch_mode : std::uint8_t {
  /// No other thread runs, or can be blocked, in the code: at start, and in an object that
  /// ld.so has just mapped.
  early,
  /// Other kernel threads exist, and each is inside a system call or stopped outside the text that
  /// is
  /// patched: whole instructions before the `syscall` may be moved.
  blocked,
  /// Other kernel threads may be anywhere. One that was interrupted between two instructions
  /// continues
  /// there, so only single instructions are replaced.
  running,
};

/// How one site is to be rewritten: the whole instructions in [begin, end), the `syscall`
/// among them or right behind, become a jump to a slot; the slot executes them and goes on after
/// [begin, end), or after the `syscall` if that is further.
struct site_plan {
  const std::uint8_t* begin = nullptr;
  const std::uint8_t* end = nullptr;
  const std::uint8_t* site = nullptr; // the `syscall`

  [[nodiscard]] const std::uint8_t* after_site() const noexcept { return site + 2; }
  [[nodiscard]] const std::uint8_t* resume() const noexcept {
    return end > after_site() ? end : after_site();
  }
  /// A branch to a boundary inside would be led astray. One to the `syscall` is not, where that
  /// stays: it is a call that bypasses us.
  [[nodiscard]] bool has_inside() const noexcept;
};

/// `mov $nr,%eax; syscall`, by far the most common form (434 of 526 in glibc 2.36): nothing can
/// jump into it, and its five bytes of `mov` are a jump's size.
[[nodiscard]] inline bool is_plain_site(const std::uint8_t* site,
                                        const std::uint8_t* text_begin) noexcept {
  constexpr std::uint8_t mov_eax = 0xb8;
  // A number below 512, so that no accident in data looks like it; and behind a REX prefix it would
  // be another register.
  return site - text_begin >= 6 && (site[-6] & 0xf0) != 0x40 && site[-5] == mov_eax &&
         site[-3] <= 1 && site[-2] == 0 && site[-1] == 0;
}

/// rt_sigreturn: the kernel finds the frame that it restores by the stack pointer, and unwinders
/// know the code by its bytes. Its function's frame begins one byte early, so decoding it may fail.
[[nodiscard]] bool is_sigreturn(const std::uint8_t* site, const std::uint8_t* text_begin) noexcept;
[[nodiscard]] site_plan plan_plain_site(const std::uint8_t* site) noexcept;

/// The number that the site's call always has, or -1.
[[nodiscard]] int constant_number(const code_region&, const std::uint8_t* site) noexcept;

/// Finds a layout for a site that is a boundary of `region`. `free_from` is where the previous
/// site's rewriting ended. Returns null or the reason why there is none.
[[nodiscard]] const char* plan_site(const code_region& region, const std::uint8_t* site,
                                    const std::uint8_t* free_from, patch_mode mode,
                                    site_plan& out) noexcept;

} // namespace weft::patch

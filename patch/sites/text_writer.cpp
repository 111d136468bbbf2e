// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/text_writer.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <cstddef>

#include "patch/sites/raw_syscall.hpp"

extern "C" [[gnu::visibility("hidden")]] std::uint8_t weft_spare_text_page[4096];

namespace weft::patch {
namespace {

constexpr std::uintptr_t page = 4096;
constexpr int read_write = PROT_READ | PROT_WRITE;

/// The whole pages of a segment.
struct page_range {
  std::uint8_t* begin;
  std::size_t size;
};

page_range pages_of(const text_segment& text) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(text.begin) & ~(page - 1);
  const auto end = (reinterpret_cast<std::uintptr_t>(text.end) + page - 1) & ~(page - 1);
  return {reinterpret_cast<std::uint8_t*>(begin), end - begin};
}

bool concerns(const text_edit& edit, const text_segment& text) noexcept {
  return edit.destination && text.contains(edit.plan.begin);
}

/// Writes the jumps that lie in `text`, at `offset` from where they will be executed.
void write_jumps(const text_segment& text, std::span<const text_edit> edits,
                 std::ptrdiff_t offset) noexcept {
  constexpr std::uint8_t jump = 0xe9, trap = 0xcc;
  constexpr std::ptrdiff_t jump_size = 5;
  for (const auto& edit : edits) {
    if (!concerns(edit, text)) continue;
    auto* at = const_cast<std::uint8_t*>(edit.plan.begin) + offset;
    const auto distance =
        static_cast<std::int32_t>(edit.destination - (edit.plan.begin + jump_size));
    at[0] = jump;
    __builtin_memcpy(at + 1, &distance, sizeof distance);
    // Nothing comes here; if it did, better to stop than to run half of what was.
    for (std::ptrdiff_t i = jump_size; i < edit.plan.end - edit.plan.begin; ++i)
      at[i] = trap;
  }
}

[[noreturn]] void die(const char* message, std::size_t length) noexcept {
  raw_syscall(SYS_write, 2, message, length);
  for (;;)
    raw_syscall(SYS_exit_group, 125);
}

long write_in_place(const text_segment& text, std::span<const text_edit> edits) noexcept {
  const auto pages = pages_of(text);
  const long result = raw_syscall(SYS_mprotect, pages.begin, pages.size, read_write);
  if (is_error(result)) return result;
  write_jumps(text, edits, 0);
  if (is_error(raw_syscall(SYS_mprotect, pages.begin, pages.size, text.protection))) {
    static constexpr char message[] = "weft: patched code cannot be made executable again\n";
    die(message, sizeof message - 1);
  }
  return 0;
}

long replace(const text_segment& text, std::span<const text_edit> edits) noexcept {
  const auto pages = pages_of(text);
  long result =
      raw_syscall(SYS_mmap, nullptr, pages.size, read_write, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (is_error(result)) return result;
  auto* copy = reinterpret_cast<std::uint8_t*>(result);
  __builtin_memcpy(copy, pages.begin, pages.size);
  write_jumps(text, edits, copy - pages.begin);
  result = raw_syscall(SYS_mprotect, copy, pages.size, text.protection);
  // The kernel holds the address space's lock from taking the old pages away to having put the new
  // ones there; a thread that faults in between waits.
  if (!is_error(result))
    result = raw_syscall(SYS_mremap, copy, pages.size, pages.size, MREMAP_MAYMOVE | MREMAP_FIXED,
                         pages.begin);
  if (!is_error(result)) return 0;
  raw_syscall(SYS_munmap, copy, pages.size);
  return result;
}

} // namespace

long may_rewrite_text() noexcept {
  const text_segment spare{weft_spare_text_page, weft_spare_text_page + page,
                           PROT_READ | PROT_EXEC};
  long result = raw_syscall(SYS_mprotect, spare.begin, page, read_write);
  if (is_error(result)) return result;
  *static_cast<volatile std::uint8_t*>(spare.begin) = 0;
  return raw_syscall(SYS_mprotect, spare.begin, page, spare.protection);
}

long write_text(const object_view& object, std::span<const text_edit> edits,
                patch_mode mode) noexcept {
  // A handler must not find itself in text that cannot be executed.
  const std::uint64_t all_signals = ~std::uint64_t{0};
  std::uint64_t blocked = 0;
  raw_syscall(SYS_rt_sigprocmask, 0 /* SIG_BLOCK */, &all_signals, &blocked, sizeof blocked);
  long result = 0;
  for (const auto& text : object.texts()) {
    bool concerned = false;
    for (const auto& edit : edits)
      concerned |= concerns(edit, text);
    if (!concerned) continue;
    result = mode == patch_mode::early ? write_in_place(text, edits) : replace(text, edits);
    if (is_error(result)) break;
  }
  raw_syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &blocked, nullptr, sizeof blocked);
  return result;
}

} // namespace weft::patch

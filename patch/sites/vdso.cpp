// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/vdso.hpp"

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cstdint>
#include <string_view>

#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr std::uintptr_t page = 4096;

using header = ElfW(Ehdr);
using segment = ElfW(Phdr);
using section = ElfW(Shdr);
using symbol = ElfW(Sym);

std::uintptr_t address_of(const header& image, std::string_view wanted) noexcept {
  const auto* base = reinterpret_cast<const char*>(&image);
  const auto* sections = reinterpret_cast<const section*>(base + image.e_shoff);
  for (unsigned i = 0; i < image.e_shnum; ++i) {
    if (sections[i].sh_type != SHT_DYNSYM) continue;
    const auto* symbols = reinterpret_cast<const symbol*>(base + sections[i].sh_offset);
    const char* names = base + sections[sections[i].sh_link].sh_offset;
    for (std::size_t s = 0; s < sections[i].sh_size / sizeof(symbol); ++s) {
      const char* name = names + symbols[s].st_name;
      if (__builtin_memcmp(name, wanted.data(), wanted.size()) == 0 && !name[wanted.size()])
        return reinterpret_cast<std::uintptr_t>(base) + symbols[s].st_value;
    }
  }
  return 0;
}

/// The word in ld.so's data that holds `value`.
std::uintptr_t* find_word(const header& image, std::uintptr_t value) noexcept {
  const auto base = reinterpret_cast<std::uintptr_t>(&image);
  const auto* segments = reinterpret_cast<const segment*>(base + image.e_phoff);
  for (unsigned i = 0; i < image.e_phnum; ++i) {
    if (segments[i].p_type != PT_LOAD || !(segments[i].p_flags & PF_W)) continue;
    auto* word = reinterpret_cast<std::uintptr_t*>(base + segments[i].p_vaddr);
    for (std::size_t n = segments[i].p_memsz / sizeof *word; n > 0; --n, ++word)
      if (*word == value) return word;
  }
  return nullptr;
}

} // namespace

clock_function find_in_vdso(std::string_view name) noexcept {
  const auto* vdso = reinterpret_cast<const header*>(getauxval(AT_SYSINFO_EHDR));
  if (!vdso) return nullptr;
  return reinterpret_cast<clock_function>(address_of(*vdso, name));
}

void replace_in_libc(clock_function found, clock_function replacement) noexcept {
  const auto* loader = reinterpret_cast<const header*>(getauxval(AT_BASE));
  if (!loader) return;
  std::uintptr_t* word = find_word(*loader, reinterpret_cast<std::uintptr_t>(found));
  if (!word) return;
  // ld.so has made it read-only when it was done.
  const auto start = reinterpret_cast<std::uintptr_t>(word) & ~(page - 1);
  if (is_error(raw_syscall(SYS_mprotect, start, page, PROT_READ | PROT_WRITE))) return;
  __atomic_store_n(word, reinterpret_cast<std::uintptr_t>(replacement), __ATOMIC_RELEASE);
  raw_syscall(SYS_mprotect, start, page, PROT_READ);
}

} // namespace weft::patch

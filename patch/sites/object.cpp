// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/object.hpp"

#include <sys/mman.h>

namespace weft::patch {

object_view describe_object(const char* name, std::uintptr_t base, const ElfW(Phdr) * headers,
                            int count) noexcept {
  object_view object;
  object.name = name && *name ? name : "main program";
  object.base = base;
  object.low = UINTPTR_MAX;
  for (const auto& header : std::span(headers, static_cast<std::size_t>(count))) {
    const std::uintptr_t begin = base + header.p_vaddr;
    if (header.p_type == PT_GNU_EH_FRAME)
      object.frame_header = {reinterpret_cast<const std::uint8_t*>(begin), header.p_memsz};
    if (header.p_type != PT_LOAD) continue;
    if (begin < object.low) object.low = begin;
    if (begin + header.p_memsz > object.high) object.high = begin + header.p_memsz;
    if ((header.p_flags & (PF_R | PF_X)) == PF_R && object.data_count < object_view::max_segments)
      object.data[object.data_count++] = {reinterpret_cast<const std::uint8_t*>(begin),
                                          header.p_memsz};
    // What the file does not fill is zero, and holds no code.
    if (!(header.p_flags & PF_X) || object.text_count == object_view::max_segments) continue;
    object.text[object.text_count++] = {reinterpret_cast<std::uint8_t*>(begin),
                                        reinterpret_cast<std::uint8_t*>(begin + header.p_filesz),
                                        PROT_EXEC | (header.p_flags & PF_R ? PROT_READ : 0) |
                                            (header.p_flags & PF_W ? PROT_WRITE : 0)};
  }
  return object;
}

object_view describe_object_at(const char* name, const void* elf_header) noexcept {
  const auto* header = static_cast<const ElfW(Ehdr)*>(elf_header);
  const auto address = reinterpret_cast<std::uintptr_t>(elf_header);
  const bool fits = header->e_ident[EI_MAG0] == ELFMAG0 && header->e_ident[EI_MAG1] == ELFMAG1 &&
                    header->e_ident[EI_MAG2] == ELFMAG2 && header->e_ident[EI_MAG3] == ELFMAG3 &&
                    header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == EM_X86_64 &&
                    header->e_phentsize == sizeof(ElfW(Phdr));
  if (!fits) return {};

  const auto* headers = reinterpret_cast<const ElfW(Phdr)*>(address + header->e_phoff);
  std::uintptr_t first = 0;
  for (int i = 0; i < header->e_phnum; ++i)
    if (headers[i].p_type == PT_LOAD) {
      first = (headers[i].p_vaddr - headers[i].p_offset) & ~std::uintptr_t{4095};
      break;
    }
  return describe_object(name, address - first, headers, header->e_phnum);
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/launcher/elf_image.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::launcher::test {

/// Writes small x86-64 ELF files: headers and the parts that the launcher reads, no code.
class elf_builder {
 public:
  elf_builder() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_DYN;
    header.e_machine = EM_X86_64;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_shentsize = sizeof(Elf64_Shdr);
  }

  Elf64_Ehdr header{};
  std::string interpreter = "/lib64/ld-linux-x86-64.so.2";
  std::vector<std::string> needed;
  std::string note_name;             // a note of that name when not empty
  std::vector<std::string> sections; // names of empty sections

  [[nodiscard]] std::vector<std::byte> build() const {
    // The file header and at most eight program headers, written when all else is placed.
    std::vector<std::byte> bytes(sizeof(Elf64_Ehdr) + 8 * sizeof(Elf64_Phdr));
    std::vector<Elf64_Phdr> programs;
    const auto append = [&bytes](const void* data, std::size_t size) {
      const auto at = bytes.size();
      bytes.resize((at + size + 7) & ~std::size_t{7});
      std::memcpy(bytes.data() + at, data, size);
      return at;
    };
    const auto segment = [&](std::uint32_t type, std::uint64_t at, std::uint64_t size) {
      Elf64_Phdr program{};
      program.p_type = type;
      program.p_offset = at;
      program.p_vaddr = load_address + at;
      program.p_filesz = size;
      programs.push_back(program);
    };

    if (!interpreter.empty())
      segment(PT_INTERP, append(interpreter.c_str(), interpreter.size() + 1),
              interpreter.size() + 1);
    if (!needed.empty()) {
      std::string names(1, '\0');
      std::vector<Elf64_Dyn> entries;
      for (const auto& name : needed) {
        entries.push_back({DT_NEEDED, {names.size()}});
        names.append(name).push_back('\0');
      }
      entries.push_back({DT_STRTAB, {load_address + append(names.data(), names.size())}});
      entries.push_back({DT_NULL, {0}});
      const auto size = entries.size() * sizeof(Elf64_Dyn);
      segment(PT_DYNAMIC, append(entries.data(), size), size);
    }
    if (!note_name.empty()) {
      const Elf64_Nhdr note{static_cast<Elf64_Word>(note_name.size() + 1), 0, 4};
      std::string whole(reinterpret_cast<const char*>(&note), sizeof note);
      whole.append(note_name).resize(sizeof note + 4);
      segment(PT_NOTE, append(whole.data(), whole.size()), whole.size());
    }
    Elf64_Ehdr file = header;
    if (!sections.empty()) {
      std::string names(1, '\0');
      std::vector<Elf64_Shdr> table(1);
      for (const auto& name : sections) {
        Elf64_Shdr section{};
        section.sh_name = static_cast<Elf64_Word>(names.size());
        names.append(name).push_back('\0');
        table.push_back(section);
      }
      Elf64_Shdr strings{};
      strings.sh_offset = append(names.data(), names.size());
      strings.sh_size = names.size();
      table.push_back(strings);
      file.e_shoff = append(table.data(), table.size() * sizeof(Elf64_Shdr));
      file.e_shnum = static_cast<Elf64_Half>(table.size());
      file.e_shstrndx = static_cast<Elf64_Half>(table.size() - 1);
    }
    segment(PT_LOAD, 0, bytes.size());

    file.e_phoff = sizeof file;
    file.e_phnum = static_cast<Elf64_Half>(programs.size());
    std::memcpy(bytes.data(), &file, sizeof file);
    std::memcpy(bytes.data() + sizeof file, programs.data(), programs.size() * sizeof(Elf64_Phdr));
    return bytes;
  }

 private:
  static constexpr std::uint64_t load_address = 0x400000;
};

inline std::optional<elf_image> read_bytes(std::span<const std::byte> bytes) {
  return read_elf([bytes](std::uint64_t offset, std::span<std::byte> into) -> std::size_t {
    if (offset >= bytes.size()) return 0;
    const auto size = std::min<std::size_t>(into.size(), bytes.size() - offset);
    std::memcpy(into.data(), bytes.data() + offset, size);
    return size;
  });
}

} // namespace weft::launcher::test

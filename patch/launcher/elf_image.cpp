// SPDX-License-Identifier: BSL-1.0
#include "patch/launcher/elf_image.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <elf.h>
#include <string_view>
#include <type_traits>

namespace weft::launcher {
namespace {

// Far above what linkers write, and small enough to read at once. The kernel's own bound for
// program headers is 64 KiB.
constexpr std::size_t max_program_headers = 65536 / sizeof(Elf64_Phdr);
constexpr std::size_t max_section_headers = 8192;
constexpr std::uint64_t max_dynamic_bytes = 65536;
constexpr std::uint64_t max_names_bytes = std::uint64_t{1} << 20;
constexpr std::uint64_t max_note_bytes = 65536;
constexpr std::uint64_t max_path_bytes = 4096;
constexpr std::size_t max_soname_bytes = 256;

template <class T>
bool get(const read_at& read, std::uint64_t offset, std::span<T> into) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto bytes = std::as_writable_bytes(into);
  return read(offset, bytes) == bytes.size();
}

template <class T>
bool get(const read_at& read, std::uint64_t offset, T& into) {
  return get(read, offset, std::span(&into, 1));
}

/// A NUL-terminated string of less than `most` bytes; empty when it is not there or does not end.
std::string read_string(const read_at& read, std::uint64_t offset, std::size_t most) {
  std::string text(most, '\0');
  text.resize(read(offset, std::as_writable_bytes(std::span(text))));
  const auto end = text.find('\0');
  return end == std::string::npos ? std::string() : text.substr(0, end);
}

/// Where the bytes that will be at `address` are in the file.
std::optional<std::uint64_t> file_offset(std::span<const Elf64_Phdr> headers,
                                         std::uint64_t address) {
  for (const auto& header : headers)
    if (header.p_type == PT_LOAD && address >= header.p_vaddr &&
        address - header.p_vaddr < header.p_filesz)
      return header.p_offset + (address - header.p_vaddr);
  return std::nullopt;
}

void read_interpreter(const read_at& read, const Elf64_Phdr& header, elf_image& image) {
  if (header.p_filesz < 2 || header.p_filesz > max_path_bytes) {
    image.is_truncated = true;
    return;
  }
  image.interpreter = read_string(read, header.p_offset, header.p_filesz);
  if (image.interpreter.empty()) image.is_truncated = true;
}

void read_dynamic(const read_at& read, const Elf64_Phdr& header,
                  std::span<const Elf64_Phdr> headers, elf_image& image) {
  std::vector<Elf64_Dyn> entries(std::min(header.p_filesz, max_dynamic_bytes) / sizeof(Elf64_Dyn));
  if (!get(read, header.p_offset, std::span(entries))) {
    image.is_truncated = true;
    return;
  }
  const auto end = std::ranges::find(entries, DT_NULL, &Elf64_Dyn::d_tag);
  const auto names = std::ranges::find(entries.begin(), end, DT_STRTAB, &Elf64_Dyn::d_tag);
  if (names == end) return;
  const auto base = file_offset(headers, names->d_un.d_ptr);
  if (!base) {
    image.is_truncated = true;
    return;
  }
  for (auto entry = entries.begin(); entry != end; ++entry) {
    if (entry->d_tag != DT_NEEDED) continue;
    auto name = read_string(read, *base + entry->d_un.d_val, max_soname_bytes);
    if (!name.empty()) image.needed.push_back(std::move(name));
  }
}

/// The build-id note that Go's linker writes carries the name "Go".
bool has_go_note(const read_at& read, const Elf64_Phdr& header) {
  std::vector<std::byte> notes(std::min(header.p_filesz, max_note_bytes));
  if (!get(read, header.p_offset, std::span(notes))) return false;
  std::size_t at = 0;
  while (notes.size() - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes.data() + at, sizeof note);
    at += sizeof note;
    const auto aligned = [](std::uint64_t n) { return (n + 3) & ~std::uint64_t{3}; };
    const auto length = aligned(note.n_namesz) + aligned(note.n_descsz);
    if (length > notes.size() - at) return false;
    if (note.n_namesz == 3 && std::memcmp(notes.data() + at, "Go", 3) == 0) return true;
    at += length;
  }
  return false;
}

/// Go's table of functions: the mark of a C program that was linked with Go code.
bool has_go_section(const read_at& read, const Elf64_Ehdr& file) {
  if (file.e_shentsize != sizeof(Elf64_Shdr) || file.e_shnum == 0 ||
      file.e_shnum > max_section_headers || file.e_shstrndx >= file.e_shnum)
    return false;
  std::vector<Elf64_Shdr> sections(file.e_shnum);
  if (!get(read, file.e_shoff, std::span(sections))) return false;
  std::string names(std::min(sections[file.e_shstrndx].sh_size, max_names_bytes), '\0');
  if (!get(read, sections[file.e_shstrndx].sh_offset, std::span(names))) return false;
  return std::ranges::any_of(sections, [&](const Elf64_Shdr& section) {
    if (section.sh_name >= names.size()) return false;
    // Position-independent programs prefix it with .data.rel.ro.
    return std::string_view(names.c_str() + section.sh_name).ends_with(".gopclntab");
  });
}

} // namespace

std::optional<elf_image> read_elf(const read_at& read) {
  std::array<unsigned char, EI_NIDENT> ident{};
  if (!get(read, 0, ident) || std::memcmp(ident.data(), ELFMAG, SELFMAG) != 0) return std::nullopt;

  elf_image image;
  image.is_64_bit = ident[EI_CLASS] == ELFCLASS64;
  image.is_little_endian = ident[EI_DATA] == ELFDATA2LSB;

  // e_type and e_machine stand at the same place in both classes.
  std::array<std::uint16_t, 2> type_and_machine{};
  if (!get(read, EI_NIDENT, type_and_machine)) {
    image.is_truncated = true;
    return image;
  }
  if (!image.is_little_endian)
    for (auto& half : type_and_machine)
      half = static_cast<std::uint16_t>((half << 8) | (half >> 8));
  image.type = type_and_machine[0];
  image.machine = type_and_machine[1];
  if (!image.is_64_bit || !image.is_little_endian || image.machine != EM_X86_64) return image;

  Elf64_Ehdr file;
  if (!get(read, 0, file) || file.e_phentsize != sizeof(Elf64_Phdr) ||
      file.e_phnum > max_program_headers) {
    image.is_truncated = true;
    return image;
  }
  std::vector<Elf64_Phdr> headers(file.e_phnum);
  if (!get(read, file.e_phoff, std::span(headers))) {
    image.is_truncated = true;
    return image;
  }
  for (const auto& header : headers) {
    if (header.p_type == PT_INTERP && image.interpreter.empty())
      read_interpreter(read, header, image);
    else if (header.p_type == PT_DYNAMIC && image.needed.empty())
      read_dynamic(read, header, headers, image);
    else if (header.p_type == PT_NOTE && !image.is_go)
      image.is_go = has_go_note(read, header);
  }
  if (!image.is_go) image.is_go = has_go_section(read, file);
  return image;
}

} // namespace weft::launcher

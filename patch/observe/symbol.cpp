// SPDX-License-Identifier: BSL-1.0
#include "patch/observe/symbol.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>

namespace weft::patch {
namespace {

struct symbol_table {
  const ElfW(Sym) * symbols = nullptr;
  const char* names = nullptr;
  std::uint32_t count = 0;
};

/// The number of symbols is nowhere but in the hash table: the end of its last chain.
std::uint32_t count_by_gnu_hash(const std::uint32_t* table) noexcept {
  const std::uint32_t buckets = table[0], first = table[1], bloom_words = table[2];
  const std::uint32_t* bucket = table + 4 + bloom_words * 2;
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < buckets; ++i)
    if (bucket[i] > last) last = bucket[i];
  if (last < first) return first;
  const std::uint32_t* chain = bucket + buckets;
  while (!(chain[last - first] & 1))
    ++last;
  return last + 1;
}

symbol_table table_of(const link_map& object) noexcept {
  symbol_table found;
  if (!object.l_ld) return found;
  for (const ElfW(Dyn)* d = object.l_ld; d->d_tag != DT_NULL; ++d) {
    // ld.so has made addresses of them, but in an object that it cannot write (the vDSO).
    ElfW(Addr) at = d->d_un.d_ptr;
    if (at < object.l_addr) at += object.l_addr;
    switch (d->d_tag) {
    case DT_SYMTAB:
      found.symbols = reinterpret_cast<const ElfW(Sym)*>(at);
      break;
    case DT_STRTAB:
      found.names = reinterpret_cast<const char*>(at);
      break;
    case DT_GNU_HASH:
      found.count = count_by_gnu_hash(reinterpret_cast<const std::uint32_t*>(at));
      break;
    case DT_HASH: // nbucket, nchain: one chain entry a symbol
      if (found.count == 0) found.count = reinterpret_cast<const std::uint32_t*>(at)[1];
      break;
    default:
      break;
    }
  }
  return found;
}

const char* without_folders(const char* path) noexcept {
  const char* name = path;
  for (; *path; ++path)
    if (*path == '/') name = path + 1;
  return name;
}

} // namespace

code_place place_of(std::uint64_t address, const char* program) noexcept {
  code_place place;
  struct dl_find_object found;
  if (_dl_find_object(reinterpret_cast<void*>(address), &found) != 0) return place;
  const link_map& object = *found.dlfo_link_map;
  place.object = object.l_name && *object.l_name ? without_folders(object.l_name) : program;
  place.offset = address - object.l_addr;
  const symbol_table table = table_of(object);
  if (!table.symbols || !table.names) return place;
  for (std::uint32_t i = 0; i < table.count; ++i) {
    const ElfW(Sym)& s = table.symbols[i];
    if (s.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(s.st_info) != STT_FUNC) continue;
    if (place.offset < s.st_value || place.offset >= s.st_value + s.st_size) continue;
    place.symbol = table.names + s.st_name;
    place.within = place.offset - s.st_value;
    break;
  }
  return place;
}

} // namespace weft::patch

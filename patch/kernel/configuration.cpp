// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/configuration.hpp"

namespace weft::patch {
namespace {

constinit configuration current;

/// The value if `entry` is `name=value`.
char* value_of(char* entry, const char* name) noexcept {
  while (*name && *entry == *name)
    ++entry, ++name;
  return !*name && *entry == '=' ? entry + 1 : nullptr;
}

bool is_on(const char* value) noexcept {
  return *value && !(value[0] == '0' && !value[1]);
}

/// Bytes, with an optional K, M or G; 0 for what is no size.
std::size_t size_in(const char* text) noexcept {
  std::size_t size = 0;
  const char* digit = text;
  for (; *digit >= '0' && *digit <= '9'; ++digit) {
    if (size > (std::size_t{1} << 44)) return 0;
    size = size * 10 + static_cast<std::size_t>(*digit - '0');
  }
  if (digit == text) return 0;
  switch (*digit) {
  case 0:
    return size;
  case 'k':
  case 'K':
    size <<= 10;
    break;
  case 'm':
  case 'M':
    size <<= 20;
    break;
  case 'g':
  case 'G':
    size <<= 30;
    break;
  default:
    return 0;
  }
  return digit[1] ? 0 : size;
}

bool names_weft(const char* path, const char* end) noexcept {
  constexpr char wanted[] = "libweft-patch.so";
  constexpr long length = sizeof wanted - 1;
  const char* name = path;
  for (const char* p = path; p != end; ++p)
    if (*p == '/') name = p + 1;
  return end - name >= length && __builtin_memcmp(name, wanted, length) == 0;
}

/// Takes weft's own entry out of a list separated by colons or spaces, in place.
void remove_weft(char* list) noexcept {
  char* out = list;
  for (char* in = list; *in;) {
    char* end = in;
    while (*end && *end != ':' && *end != ' ')
      ++end;
    if (!names_weft(in, end) && end != in) {
      if (out != list) *out++ = ':';
      while (in != end)
        *out++ = *in++;
    }
    in = *end ? end + 1 : end;
  }
  *out = 0;
}

} // namespace

const configuration& the_configuration() noexcept {
  return current;
}

const char* read_configuration(char** environment) noexcept {
  const char* complaint = nullptr;
  char** preload = nullptr;
  for (char** entry = environment; *entry; ++entry) {
    if (const char* v = value_of(*entry, "WEFT_VERBOSE")) current.verbose = is_on(v);
    if (const char* v = value_of(*entry, "WEFT_STATS")) current.statistics = is_on(v);
    if (const char* v = value_of(*entry, "WEFT_NO_CHILDREN")) current.no_children = is_on(v);
    if (const char* v = value_of(*entry, "WEFT_IF_POSSIBLE")) current.if_possible = is_on(v);
    if (const char* v = value_of(*entry, "WEFT_STACK_SIZE"); v && *v) { // empty: unset
      current.stack_size = size_in(v);
      if (current.stack_size < 16384)
        complaint = "weft: WEFT_STACK_SIZE must be a size of at least 16K, such as 256K\n";
    }
    if (value_of(*entry, "LD_PRELOAD")) preload = entry;
  }
  if (current.no_children && preload) {
    char* list = value_of(*preload, "LD_PRELOAD");
    remove_weft(list);
    if (!*list) // no empty variable where there was none
      for (char** e = preload; *e; ++e)
        e[0] = e[1];
  }
  return complaint;
}

} // namespace weft::patch

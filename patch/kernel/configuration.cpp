// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/configuration.hpp"

#include "patch/kernel/processor.hpp"
#include "patch/kernel/signal_number.hpp"
#include "patch/kernel/stack_cache.hpp"

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

/// WEFT_STATS: a switch, "json", or "json:FILE". False if it is nothing of that.
bool read_statistics(const char* value) noexcept {
  constexpr std::string_view json = "json";
  constexpr std::string_view to_file = "json:";
  std::string_view text = value;
  current.statistics_file[0] = 0;
  if (!text.starts_with(json)) {
    current.statistics = is_on(value) ? report_form::text : report_form::none;
    return true;
  }
  current.statistics = report_form::json;
  if (text == json) return true;
  text.remove_prefix(to_file.size());
  if (value[json.size()] != ':' || text.empty() || text.size() >= sizeof current.statistics_file)
    return false;
  // A copy: programs overwrite their environment to change what ps shows.
  __builtin_memcpy(current.statistics_file, text.data(), text.size());
  current.statistics_file[text.size()] = 0;
  return true;
}

constexpr unsigned longest_warning = 3'600'000; // an hour, in milliseconds

/// A number up to that; 0 for anything else.
unsigned number_up_to(const char* text, unsigned most) noexcept {
  unsigned number = 0;
  for (; *text >= '0' && *text <= '9' && number <= most; ++text)
    number = number * 10 + static_cast<unsigned>(*text - '0');
  return *text || number > most ? 0 : number;
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

/// Takes an entry out of the environment.
void remove_entry(char** entry) noexcept {
  for (; *entry; ++entry)
    entry[0] = entry[1];
}

/// Takes the tunable that the launcher has added, at the end, out of `entry`: it was for this
/// process's ld.so alone.
void remove_own_tunable(char** entry, char* list) noexcept {
  std::string_view text = list;
  if (!text.ends_with(stack_cache_tunable)) return;
  text.remove_suffix(stack_cache_tunable.size());
  if (text.empty())
    remove_entry(entry);
  else if (text.back() == ':')
    list[text.size() - 1] = 0;
}

} // namespace

const configuration& the_configuration() noexcept {
  return current;
}

const char* read_configuration(char** environment) noexcept {
  const char* complaint = nullptr;
  char** preload = nullptr;
  char** tunables = nullptr;
  for (char** entry = environment; *entry; ++entry) {
    if (const char* v = value_of(*entry, "WEFT_VERBOSE")) current.verbose = is_on(v);
    if (const char* v = value_of(*entry, "WEFT_STATS"); v && !read_statistics(v))
      complaint = "weft: WEFT_STATS must be 0, 1, json or json:FILE\n";
    if (const char* v = value_of(*entry, "WEFT_NO_CHILDREN")) current.no_children = is_on(v);
    if (const char* v = value_of(*entry, "WEFT_IF_POSSIBLE")) current.if_possible = is_on(v);
    if (const char* v = value_of(*entry, "WEFT_NO_PREEMPT")) current.preempt = !is_on(v);
    if (const char* v = value_of(*entry, "WEFT_STACK_SIZE"); v && *v) { // empty: unset
      current.stack_size = size_in(v);
      if (current.stack_size < 16384)
        complaint = "weft: WEFT_STACK_SIZE must be a size of at least 16K, such as 256K\n";
    }
    if (const char* v = value_of(*entry, "WEFT_DUMP_SIGNAL"); v && *v) {
      current.dump_signal = usable_signal(v);
      if (current.dump_signal == 0)
        complaint = "weft: WEFT_DUMP_SIGNAL must be a signal that can be spared, such as USR2\n";
    }
    if (const char* v = value_of(*entry, "WEFT_WORKERS"); v && *v) {
      current.workers = number_up_to(v, processor_set::most);
      if (current.workers == 0 && is_on(v))
        complaint = "weft: WEFT_WORKERS must be a number of workers up to 256\n";
    }
    if (const char* v = value_of(*entry, "WEFT_BACKEND"); v && *v) {
      const std::string_view backend = v;
      current.io_uring = backend == "io_uring";
      if (!current.io_uring && backend != "epoll")
        complaint = "weft: WEFT_BACKEND must be epoll or io_uring\n";
    }
    if (const char* v = value_of(*entry, "WEFT_WARN_BLOCKING"); v && *v) {
      current.warn_blocking = number_up_to(v, longest_warning);
      if (current.warn_blocking == 0 && is_on(v))
        complaint = "weft: WEFT_WARN_BLOCKING must be a number of milliseconds\n";
    }
    if (value_of(*entry, "LD_PRELOAD")) preload = entry;
    if (value_of(*entry, "GLIBC_TUNABLES")) tunables = entry;
  }
  if (current.no_children && preload) {
    char* list = value_of(*preload, "LD_PRELOAD");
    remove_weft(list);
    if (!*list) { // no empty variable where there was none
      remove_entry(preload);
      if (tunables > preload) --tunables;
    }
  }
  if (tunables) remove_own_tunable(tunables, value_of(*tunables, "GLIBC_TUNABLES"));
  return complaint;
}

} // namespace weft::patch

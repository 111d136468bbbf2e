// SPDX-License-Identifier: BSL-1.0
#include <dlfcn.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "runtime/sched/hub.hpp"
#include "runtime/sched/patch.hpp"
#include "weft/patch.hpp"

namespace weft {
namespace {

unsigned families_of(const patch_options& options) noexcept {
  unsigned families = 0;
  if (options.thread) families |= WEFT_FAMILY_THREAD;
  if (options.time) families |= WEFT_FAMILY_TIME;
  if (options.socket) families |= WEFT_FAMILY_SOCKET;
  if (options.select) families |= WEFT_FAMILY_SELECT;
  if (options.subprocess) families |= WEFT_FAMILY_SUBPROCESS;
  return families;
}

/// Beside this library, in the build tree, or where the dynamic loader looks.
void load_patch() {
  constexpr const char* name = "libweft-patch.so";
  std::string folder;
  Dl_info own;
  if (::dladdr(reinterpret_cast<const void*>(&load_patch), &own) != 0 && own.dli_fname) {
    const std::string path = own.dli_fname;
    if (const auto slash = path.rfind('/'); slash != std::string::npos)
      folder = path.substr(0, slash + 1);
  }
  for (const std::string& place : {folder + name, folder + "../patch/" + name, std::string(name)}) {
    if (place.find('/') != std::string::npos && ::access(place.c_str(), R_OK) != 0) continue;
    // For good: the C library jumps into it from now on.
    if (::dlopen(place.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE)) return;
  }
  const char* const why = ::dlerror();
  throw std::runtime_error(std::string("weft::patch_all: cannot load libweft-patch.so: ") +
                           (why ? why : "not found"));
}

} // namespace

void patch_all(const patch_options& options) {
  const weft_patch_table* table = detail::patch_table();
  const bool first = !table;
  if (first) {
    if (::getpid() != ::gettid())
      throw std::logic_error("weft::patch_all: call it on the process's first thread");
    if (!detail::patch_library()) load_patch();
    table = detail::patch_table();
    if (!table)
      throw std::runtime_error(std::string("weft::patch_all: cannot patch this process: ") +
                               detail::why_not_patched());
  }
  table->choose_families(families_of(options), first);
  if (hub* const h = detail::this_hub) h->look_for_patch();
}

bool is_patched() noexcept {
  return detail::patch_table() != nullptr;
}

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#include "patch/launcher/preload.hpp"

#include "patch/kernel/stack_cache.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <unistd.h>

namespace weft::launcher {
namespace {

constexpr std::string_view separators = " \t\n:";

bool is_asan(std::string_view entry) {
  const auto slash = entry.rfind('/');
  if (slash != std::string_view::npos) entry.remove_prefix(slash + 1);
  return entry.starts_with("libasan.so") || entry.starts_with("libclang_rt.asan");
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> entries;
  while (true) {
    const auto start = list.find_first_not_of(separators);
    if (start == std::string_view::npos) return entries;
    list.remove_prefix(start);
    const auto length = std::min(list.find_first_of(separators), list.size());
    entries.emplace_back(list.substr(0, length));
    list.remove_prefix(length);
  }
}

std::string canonical(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real ? std::string(real.get()) : std::string();
}

} // namespace

std::string preload_value(const std::string& library, std::string_view existing,
                          const std::vector<std::string>& needed) {
  auto entries = split(existing);
  std::erase(entries, library);
  entries.insert(entries.begin(), library);
  if (const auto asan = std::ranges::find_if(entries, is_asan); asan != entries.end())
    std::rotate(entries.begin(), asan, asan + 1);
  else if (const auto own = std::ranges::find_if(needed, is_asan); own != needed.end())
    entries.insert(entries.begin(), *own);

  std::string value;
  for (const auto& entry : entries) {
    if (!value.empty()) value += ':';
    value += entry;
  }
  return value;
}

std::string tunables_value(std::string_view existing) {
  std::string value(existing);
  if (existing.find("glibc.pthread.stack_cache_size=") != std::string_view::npos) return value;
  if (!value.empty()) value += ':';
  return value += patch::stack_cache_tunable;
}

bool is_preloadable(std::string_view path) {
  return path.find_first_of(" \t\n:$") == std::string_view::npos;
}

std::string find_patch_library() {
  const auto self = canonical("/proc/self/exe");
  if (self.empty()) throw std::runtime_error("/proc is not mounted: cannot tell where weft is");
  const auto here = self.substr(0, self.rfind('/') + 1);
  // Installed first; the second is the build tree, where the launcher's folder lies in the
  // library's.
  std::string wanted;
  for (const char* where : {WEFT_LIBRARY_FROM_BIN, ".."}) {
    const auto candidate = here + where + "/libweft-patch.so";
    if (wanted.empty()) wanted = candidate;
    auto library = canonical(candidate);
    if (library.empty()) continue;
    if (access(library.c_str(), R_OK) != 0) throw std::runtime_error("cannot read " + library);
    if (!is_preloadable(library))
      throw std::runtime_error("LD_PRELOAD cannot carry the path '" + library +
                               "': no blank, colon or dollar may be in it");
    return library;
  }
  throw std::runtime_error("cannot find " + wanted);
}

} // namespace weft::launcher

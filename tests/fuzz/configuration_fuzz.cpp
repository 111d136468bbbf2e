// SPDX-License-Identifier: BSL-1.0
//
// The patch's reading of its environment, which it changes in place.
#include "patch/kernel/configuration.hpp"

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Strings ended by zeros, each in memory of its own.
  std::vector<std::unique_ptr<char[]>> strings;
  std::vector<char*> environment;
  std::vector<std::string> others;
  const auto* at = reinterpret_cast<const char*>(data);
  for (const char* end = at + size; at < end;) {
    const std::size_t length = strnlen(at, static_cast<std::size_t>(end - at));
    strings.push_back(std::make_unique<char[]>(length + 1));
    std::memcpy(strings.back().get(), at, length);
    environment.push_back(strings.back().get());
    const std::string text(at, length);
    if (!text.starts_with("LD_PRELOAD=") && !text.starts_with("GLIBC_TUNABLES="))
      others.push_back(text);
    at += length + 1;
  }
  environment.push_back(nullptr);
  const char* complaint = weft::patch::read_configuration(environment.data());
  if (complaint) require(std::strncmp(complaint, "weft: ", 6) == 0);

  // All but LD_PRELOAD and GLIBC_TUNABLES is as it was, in its order.
  std::vector<std::string> left;
  for (char* const* each = environment.data(); *each; ++each)
    if (std::strncmp(*each, "LD_PRELOAD=", 11) != 0 &&
        std::strncmp(*each, "GLIBC_TUNABLES=", 15) != 0)
      left.emplace_back(*each);
  require(left == others);
  const auto& read = weft::patch::the_configuration();
  require(std::strlen(read.statistics_file) < sizeof read.statistics_file);
  require(read.dump_signal >= 0 && read.dump_signal <= 64);
  return 0;
}

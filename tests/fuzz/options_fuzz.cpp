// SPDX-License-Identifier: BSL-1.0
//
// The launcher's arguments and variables: whatever they are, they are understood or complained
// about, and what they become is understood in the same way.
#include "patch/launcher/options.hpp"
#include "patch/launcher/preload.hpp"

#include <cstdint>
#include <map>

namespace {

using namespace weft::launcher;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

std::map<std::string, std::string>& variables() {
  static std::map<std::string, std::string> all;
  return all;
}

const char* variable(const char* name) {
  const auto found = variables().find(name);
  return found == variables().end() ? nullptr : found->second.c_str();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Strings ended by zeros: NAME=VALUE up to an empty one, then arguments.
  std::vector<std::string> arguments;
  variables().clear();
  bool in_environment = true;
  std::string word;
  for (std::size_t i = 0; i <= size; ++i) {
    if (i < size && data[i] != 0) {
      word += static_cast<char>(data[i]);
      continue;
    }
    if (!in_environment)
      arguments.push_back(word);
    else if (word.empty())
      in_environment = false;
    else if (const auto equals = word.find('='); equals != std::string::npos)
      variables()[word.substr(0, equals)] = word.substr(equals + 1);
    word.clear();
  }
  const auto preload = preload_value("/lib/libweft-patch.so", word, arguments);
  require(preload.find("/lib/libweft-patch.so") != std::string::npos);
  try {
    const auto chosen = parse_options(arguments, variable);
    if (chosen.what == action::help || chosen.what == action::version) return 0;
    require(!chosen.program.empty() && chosen.program.size() <= arguments.size());
    const auto made = to_variables(chosen);
    for (const auto& [name, value] : made)
      variables()[name] = value;
    const auto again = parse_options({"program"}, variable);
    require(to_variables(again) == made);
  } catch (const usage_error& complaint) {
    require(complaint.what()[0] != '\0');
  }
  return 0;
}

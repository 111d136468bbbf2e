// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <sstream>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include <weft/outcome.hpp>

/// Values as Python prints them in a list: the originals' output, without their interpreter.
namespace tour {

inline std::string repr(int value) {
  return std::to_string(value);
}

inline std::string repr(double value) {
  std::ostringstream text;
  text << value;
  return text.str().find('.') == std::string::npos ? text.str() + ".0" : text.str();
}

inline std::string repr(const std::string& text) {
  return "'" + text + "'";
}

inline std::string repr(std::monostate) {
  return "None";
}

template <class... T>
std::string repr(const std::variant<T...>& value) {
  return std::visit([](const auto& held) { return repr(held); }, value);
}

template <class T>
std::string repr(const weft::outcome<T>& outcome) {
  if (outcome) return repr(*outcome);
  return outcome.cancelled() ? "CancelledError()" : "Exception()";
}

template <class T>
std::string repr(const std::vector<T>& list) {
  std::string text;
  for (const T& item : list)
    text += (text.empty() ? "" : ", ") + repr(item);
  return "[" + text + "]";
}

/// What asyncio.gather gives as a list.
template <class... T>
std::string repr(const std::tuple<T...>& items) {
  std::string text;
  std::apply([&](const T&... item) { ((text += (text.empty() ? "" : ", ") + repr(item)), ...); },
             items);
  return "[" + text + "]";
}

} // namespace tour

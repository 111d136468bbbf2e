// SPDX-License-Identifier: BSL-1.0
#include "tests/tour/stage.hpp"

#include <ctime>
#include <iomanip>
#include <sstream>

namespace tour {

std::string stage::time() const {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  std::ostringstream text;
  text << std::put_time(&parts, "%H:%M:%S");
  return text.str();
}

std::string stage::since(clock::time_point then) const {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1)
       << std::chrono::duration<double>(clock::now() - then) / second;
  return text.str();
}

} // namespace tour

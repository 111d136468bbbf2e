// SPDX-License-Identifier: BSL-1.0
#include "weft/recursive_mutex.hpp"

#include <system_error>

namespace weft {

namespace {
constexpr std::uint32_t deepest = UINT32_MAX;
}

bool recursive_mutex::lock_until(std::int64_t until) {
  if (!mutex_.held_by_caller()) {
    if (!mutex_.lock_until(until, detail::blocking_call::recursive_mutex_lock)) return false;
  } else if (depth_ == deepest) {
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again),
                            "weft: a recursive_mutex is locked too often; unlock it as often");
  }
  ++depth_;
  return true;
}

bool recursive_mutex::try_lock() noexcept {
  if (mutex_.held_by_caller() ? depth_ == deepest : !mutex_.try_lock()) return false;
  ++depth_;
  return true;
}

void recursive_mutex::unlock() {
  if (mutex_.held_by_caller() && --depth_ != 0) return;
  mutex_.unlock(); // and that throws if it is not the caller's
}

} // namespace weft

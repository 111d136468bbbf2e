// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cerrno>
#include <system_error>

#include "weft/offload.hpp"

namespace weft::io {

/// Has `call()`, which gives a result or negative errno, called on another thread, and waits for
/// its end; -ETIMEDOUT if it did not begin in time.
template <class Call>
ssize_t offloaded(Call call, const deadline& until) {
  try {
    const auto result = offload(until, call);
    return result ? *result : -ETIMEDOUT;
  } catch (const std::system_error& e) { // no thread to be had
    return -e.code().value();
  }
}

} // namespace weft::io

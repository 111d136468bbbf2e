// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/backend.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/core/transfer_ring.hpp"

namespace weft::detail {
namespace {

bool choose() noexcept {
  const char* const wish = std::getenv("WEFT_BACKEND");
  if (!wish || std::strcmp(wish, "epoll") == 0) return false;
  if (std::strcmp(wish, "io_uring") != 0) {
    std::fprintf(stderr, "weft: WEFT_BACKEND=%s is neither epoll nor io_uring; ignored\n", wish);
    return false;
  }
  const int failed = core::transfer_ring::probe();
  if (failed < 0)
    std::fprintf(stderr, "weft: WEFT_BACKEND=io_uring cannot be used here (%s); using epoll\n",
                 std::strerror(-failed));
  return failed == 0;
}

} // namespace

bool transfers_by_io_uring() noexcept {
  static const bool chosen = choose();
  return chosen;
}

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/calls/blocking.hpp"

/// Receiving and sending on streams of TCP where many threads' transfers are made by one system
/// call (kernel/transfer_ring.hpp).
namespace weft::patch {

[[nodiscard]] bool may_go_with_others(green& g, int fd, std::size_t size, int flags) noexcept;

/// Whether a transfer of g's, the caller, may be made together with others'. Not what is its kernel
/// thread's own, nor what an address, a control message or an unusual flag belongs to; and only
/// of TCP: AF_UNIX tells the other end who sends.
[[nodiscard]] inline bool goes_with_others(green& g, int fd, std::size_t size, int flags) noexcept {
  return the_machine().transfers.is_used() && may_go_with_others(g, fd, size, flags);
}

/// As until_done whose attempt is a recvfrom with MSG_DONTWAIT.
long receive_with_others(file_call& call, void* data, std::size_t size, int flags) noexcept;

/// A whole sendto, or write.
long send_with_others(green& g, int fd, const void* data, std::size_t size, int flags) noexcept;

} // namespace weft::patch

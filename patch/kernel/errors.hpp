// SPDX-License-Identifier: BSL-1.0
#pragma once

/// Results of a call's handler beyond those of the kernel. All lie outside the range of
/// errno values and of user addresses that a system call may return.
namespace weft::patch {

/// The kernel shall make the call, with the caller's own registers.
inline constexpr long pass_to_kernel = -0x10000;
/// The same for one that makes a process: dispatch_result::spawn.
inline constexpr long spawn_in_kernel = -0x10001;

/// As pass_to_kernel, for a call that is to wait for something that others do.
inline constexpr long wait_in_kernel = -0x10002;

// The kernel's own restart codes, for a park that a signal ended (signal(7)):
/// The call is made again after any handler.
inline constexpr long restart_always = -513; // ERESTARTNOINTR
/// EINTR after a handler without SA_RESTART, else the call is made again.
inline constexpr long restart_if_allowed = -512; // ERESTARTSYS
/// EINTR after any handler, else the call is made again.
inline constexpr long restart_unless_handled = -514; // ERESTARTNOHAND

} // namespace weft::patch

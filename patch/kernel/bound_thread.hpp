// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/kernel/green.hpp"

/// Threads with a kernel thread of their own, as Go's LockOSThread gives: what a call changes in
/// the calling kernel thread alone (credentials, namespaces, filters, affinity) must change for the
/// green thread that made it, and for no other.
namespace weft::patch {

/// From here on g, the caller, and no other runs on its kernel thread, until it exits. The main
/// thread gets the initial kernel thread. Returns 0, or -EAGAIN if there can be no kernel thread.
long bind_thread(green& g) noexcept;

/// The same for a thread that is not the caller, from when it runs next. A fiber goes where its hub
/// goes and is left alone.
long bind_other(green& g) noexcept;

/// Gives g, which a bound thread, the caller, makes, a kernel thread that is a copy of that one's:
/// credentials and the rest are inherited. False if there can be none.
bool bind_new(green& g) noexcept;

/// g, which was bound, has exited.
void unbind_exited(green& g) noexcept;

/// The main thread, the caller, is the only one left: its kernel thread is the home again.
void unbind_last(green& g) noexcept;

/// Makes a call of g's, the caller, that changes the credentials of the whole process, where glibc
/// makes every thread make it: all kernel threads of weft's follow.
long change_credentials(green& g, const syscall_frame& frame) noexcept;

} // namespace weft::patch

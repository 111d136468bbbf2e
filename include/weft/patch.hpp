// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace [[gnu::visibility("default")]] weft {

/// What `patch_all` makes cooperative. What is left out blocks the caller's kernel thread, and with
/// it the fibers of its hub. Model: the arguments of gevent.monkey.patch_all.
struct patch_options {
  /// pthread_create makes green threads, of which a kernel thread runs many. Otherwise it makes
  /// kernel threads, whose calls pass through. Fibers have identities in either case.
  bool thread = true;
  /// nanosleep, sleep, std::this_thread::sleep_for, sched_yield.
  bool time = true;
  /// All that reads, writes, accepts or connects: sockets, pipes, terminals; hence name lookups,
  /// TLS libraries, stdio.
  bool socket = true;
  /// poll, select, epoll_wait and their kin.
  bool select = true;
  /// Waiting for child processes.
  bool subprocess = true;
};

/// Makes the C library cooperative in this process, as the `weft` command does from outside: its
/// system calls are rewritten in memory, and from then on what blocks in it (or in any library that
/// is built on it) parks the calling green thread or fiber, and lets others run. Fibers that are
/// spawned afterwards have thread-locals, errno and a thread id of their own
/// (spawn_options::identity), so that any C library may block in them. Model:
/// gevent.monkey.patch_all.
///
///     weft::patch_all();
///     auto one = weft::spawn([] { fetch_with_some_library("http://one/"); });
///     auto two = weft::spawn([] { fetch_with_some_library("http://two/"); });
///     weft::joinall(one, two); // both have waited at once
///
/// To be called by the process's first thread, at any time, best at the beginning; a second call
/// adds what the first left out, and under `weft` there is nothing left to do. Fibers that have
/// been spawned before stay as they are. Threads that exist already stay the kernel's, though they
/// be blocked in the C library at this moment: their calls pass through, but locks work between
/// them and everybody else. (A fiber or green thread notices within some 10 ms at worst that such a
/// thread has released one, and where other threads exist a few system calls of the C library
/// cannot be rewritten: `WEFT_VERBOSE=1` in the environment lists them.)
///
/// A call that only the kernel can wait in (flock, opening a FIFO, a slow disk) holds up the fibers
/// of its hub, though no other thread. A fiber that is asked to end while it is in a call of the C
/// library gets ECANCELED there, and `cancelled` at its next switch point of weft's; waits for
/// locks and conditions of the C library go on, as they know no such error.
///
/// Not inherited by programs that this one executes. Never blocks. Throws std::logic_error if
/// another thread calls, and std::runtime_error, with the reason, if this process cannot be patched
/// (another C library than glibc, a system that forbids changing code) or libweft-patch.so is not
/// found: beside libweft, or where the dynamic loader looks.
void patch_all(const patch_options& options = {});

/// One family alone; each may be followed by others.
inline void patch_thread() {
  patch_all({.time = false, .socket = false, .select = false, .subprocess = false});
}
inline void patch_time() {
  patch_all({.thread = false, .socket = false, .select = false, .subprocess = false});
}
inline void patch_socket() {
  patch_all({.thread = false, .time = false, .select = false, .subprocess = false});
}
inline void patch_select() {
  patch_all({.thread = false, .time = false, .socket = false, .subprocess = false});
}
inline void patch_subprocess() {
  patch_all({.thread = false, .time = false, .socket = false, .select = false});
}

/// Whether the calling thread's calls are weft's: the process is patched, in code or by the `weft`
/// command, and the thread is not one that was there before.
[[nodiscard]] bool is_patched() noexcept;

} // namespace weft

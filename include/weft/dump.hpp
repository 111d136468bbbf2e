// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include <weft/task.hpp>

namespace [[gnu::visibility("default")]] weft {

struct dump_options {
  /// Lines of each fiber's stack; 0: none.
  std::size_t frames = 32;
  /// How long to wait, in all, for hubs of other threads to describe themselves.
  std::chrono::milliseconds patience{100};
};

/// Writes down every fiber of every hub of the process: its name and number, what it does, in what
/// call and for whom it waits and for how long, which fiber spawned it, and its stack. For people;
/// the format may change. Model: gevent.util.print_run_info, asyncio.Task.print_stack.
///
///     std::ostringstream text;
///     weft::dump(text);
///
/// A function is named where the dynamic linker knows its name (link programs with -rdynamic);
/// else it is told as module and offset, as addr2line takes them. Parked stacks are read on
/// x86-64 only.
///
/// A hub of another thread describes itself when its loop has its turn, between two fibers; the
/// caller's thread is blocked meanwhile, at most for `patience`. One that does not come to it,
/// since a fiber keeps the thread, is listed as busy. No switch point. Any thread, and callbacks.
void dump(std::ostream& out, const dump_options& options = {});

/// The same of one fiber. What it can tell of one of another thread is its number and whether it
/// is done.
[[nodiscard]] std::string describe(const any_task& task, const dump_options& options = {});

/// Fibers each of which waits for the next, and the last for the first, without a limit: none of
/// them will ever go on, unless one is cancelled.
struct deadlock_cycle {
  std::vector<any_task> fibers;
  /// "fiber a waits in join for fiber b, which waits ...".
  std::string text;
};

/// Looks for such rings among the fibers of all hubs; unlike deadlock_error it finds them while
/// others run on. Seen are fibers that wait for one fiber: in join, wait, get, kill. Who waits for
/// a lock, a queue or several fibers waits for nobody in particular.
///
/// Hubs of other threads are asked as by `dump`, twice, so that what is reported is a ring and not
/// the sum of two moments; busy ones are left out. No switch point. Any thread, and callbacks.
[[nodiscard]] std::vector<deadlock_cycle>
find_deadlocks(std::chrono::milliseconds patience = std::chrono::milliseconds(100));

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

/// All of weft: green threads for C++, in the manner of gevent.
///
///     #include <weft/weft.hpp>
///     using namespace std::chrono_literals;
///
///     int main() {
///       auto a = weft::spawn([](int x) { return x; }, 2);
///       auto b = weft::spawn([] { weft::sleep(1s); return 40; });
///       weft::joinall(a, b);
///       return a.get() + b.get() == 42 ? 0 : 1;
///     }

#include <weft/as_completed.hpp>
#include <weft/barrier.hpp>
#include <weft/channel.hpp>
#include <weft/condition_variable.hpp>
#include <weft/connect.hpp>
#include <weft/coroutine.hpp>
#include <weft/current.hpp>
#include <weft/datagram.hpp>
#include <weft/deadline.hpp>
#include <weft/descriptor.hpp>
#include <weft/dump.hpp>
#include <weft/error.hpp>
#include <weft/event.hpp>
#include <weft/external_work.hpp>
#include <weft/fiber_local.hpp>
#include <weft/file.hpp>
#include <weft/future.hpp>
#include <weft/gather.hpp>
#include <weft/generator.hpp>
#include <weft/group.hpp>
#include <weft/hub_handle.hpp>
#include <weft/io.hpp>
#include <weft/iwait.hpp>
#include <weft/joinall.hpp>
#include <weft/latch.hpp>
#include <weft/listen.hpp>
#include <weft/monitor.hpp>
#include <weft/mutex.hpp>
#include <weft/offload.hpp>
#include <weft/once.hpp>
#include <weft/outcome.hpp>
#include <weft/patch.hpp>
#include <weft/pipe.hpp>
#include <weft/pool.hpp>
#include <weft/promise.hpp>
#include <weft/queue.hpp>
#include <weft/recursive_mutex.hpp>
#include <weft/resolve.hpp>
#include <weft/run.hpp>
#include <weft/select.hpp>
#include <weft/semaphore.hpp>
#include <weft/shared_mutex.hpp>
#include <weft/shield.hpp>
#include <weft/signal.hpp>
#include <weft/sleep.hpp>
#include <weft/socket_address.hpp>
#include <weft/spawn.hpp>
#include <weft/spawn_on.hpp>
#include <weft/std_future.hpp>
#include <weft/stop_token.hpp>
#include <weft/stream.hpp>
#include <weft/subprocess.hpp>
#include <weft/task.hpp>
#include <weft/task_group.hpp>
#include <weft/tcp_server.hpp>
#include <weft/thread_pool.hpp>
#include <weft/timeout_scope.hpp>
#include <weft/timer.hpp>
#include <weft/wait.hpp>
#include <weft/waitable.hpp>
#include <weft/with_timeout.hpp>

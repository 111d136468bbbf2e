// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// Every public call that may park a fiber or block a thread. Whoever parks says which it is: the
/// name stands in dumps and in deadlock reports, and the tests have one entry for each, which a
/// switch without a default case demands. Not part of the interface.
enum class blocking_call : std::uint8_t {
  // one fiber, one future
  sleep,
  join,
  wait,
  get,
  kill,
  run,
  // several
  joinall,
  killall,
  wait_for_many,
  iwait,
  as_completed,
  with_timeout,
  task_group_join,
  group_join,
  pool_spawn,
  imap_next,
  coroutine_await,
  // synchronisation
  mutex_lock,
  recursive_mutex_lock,
  shared_mutex_lock,
  shared_mutex_lock_shared,
  condition_wait,
  semaphore_acquire,
  event_wait,
  barrier_wait,
  latch_wait,
  call_once,
  // containers
  queue_put,
  queue_get,
  queue_peek,
  queue_join,
  channel_send,
  channel_receive,
  select,
  // threads
  executor_submit,
  executor_shutdown,
  offload,
  // the C library, in a fiber with identity
  libc_call,
  // descriptors
  io_read,
  io_readv,
  io_write,
  io_writev,
  io_recv,
  io_recvfrom,
  io_recvmsg,
  io_send,
  io_sendto,
  io_sendmsg,
  io_accept,
  io_connect,
  io_poll,
  io_select,
  io_epoll_wait,
  io_getaddrinfo,
  io_getnameinfo,
  io_file_system,
  server_serve,
  server_stop,
  process_wait,
  signal_wait,
};

/// The last of them, whatever it is.
inline constexpr auto last_blocking_call = blocking_call::signal_wait;

} // namespace detail
} // namespace weft

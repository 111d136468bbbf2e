// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/blocking_call.hpp"

namespace weft::detail {

const char* name_of(blocking_call call) noexcept {
  switch (call) {
  case blocking_call::sleep:
    return "sleep";
  case blocking_call::join:
    return "join";
  case blocking_call::wait:
    return "wait";
  case blocking_call::get:
    return "get";
  case blocking_call::kill:
    return "kill";
  case blocking_call::run:
    return "run";
  case blocking_call::joinall:
    return "joinall";
  case blocking_call::killall:
    return "killall";
  case blocking_call::wait_for_many:
    return "wait";
  case blocking_call::iwait:
    return "iwait";
  case blocking_call::as_completed:
    return "as_completed";
  case blocking_call::with_timeout:
    return "with_timeout";
  case blocking_call::task_group_join:
    return "task_group::join";
  case blocking_call::group_join:
    return "group::join";
  case blocking_call::pool_spawn:
    return "pool::spawn";
  case blocking_call::imap_next:
    return "imap";
  case blocking_call::coroutine_await:
    return "await";
  case blocking_call::mutex_lock:
    return "mutex::lock";
  case blocking_call::recursive_mutex_lock:
    return "recursive_mutex::lock";
  case blocking_call::shared_mutex_lock:
    return "shared_mutex::lock";
  case blocking_call::shared_mutex_lock_shared:
    return "shared_mutex::lock_shared";
  case blocking_call::condition_wait:
    return "condition_variable::wait";
  case blocking_call::semaphore_acquire:
    return "semaphore::acquire";
  case blocking_call::event_wait:
    return "event::wait";
  case blocking_call::barrier_wait:
    return "barrier::wait";
  case blocking_call::latch_wait:
    return "latch::wait";
  case blocking_call::call_once:
    return "call_once";
  case blocking_call::queue_put:
    return "queue::put";
  case blocking_call::queue_get:
    return "queue::get";
  case blocking_call::queue_peek:
    return "queue::peek";
  case blocking_call::queue_join:
    return "queue::join";
  case blocking_call::channel_send:
    return "channel::send";
  case blocking_call::channel_receive:
    return "channel::receive";
  case blocking_call::select:
    return "select";
  case blocking_call::executor_submit:
    return "thread_pool::submit";
  case blocking_call::executor_shutdown:
    return "thread_pool::shutdown";
  case blocking_call::offload:
    return "offload";
  case blocking_call::libc_call:
    return "a call of the C library";
  case blocking_call::io_read:
    return "read";
  case blocking_call::io_readv:
    return "readv";
  case blocking_call::io_write:
    return "write";
  case blocking_call::io_writev:
    return "writev";
  case blocking_call::io_recv:
    return "recv";
  case blocking_call::io_recvfrom:
    return "recvfrom";
  case blocking_call::io_recvmsg:
    return "recvmsg";
  case blocking_call::io_send:
    return "send";
  case blocking_call::io_sendto:
    return "sendto";
  case blocking_call::io_sendmsg:
    return "sendmsg";
  case blocking_call::io_accept:
    return "accept";
  case blocking_call::io_connect:
    return "connect";
  case blocking_call::io_poll:
    return "poll";
  case blocking_call::io_select:
    return "select";
  case blocking_call::io_epoll_wait:
    return "epoll_wait";
  case blocking_call::io_getaddrinfo:
    return "getaddrinfo";
  case blocking_call::io_getnameinfo:
    return "getnameinfo";
  case blocking_call::io_file_system:
    return "file system call";
  case blocking_call::server_serve:
    return "tcp_server::serve_forever";
  case blocking_call::server_stop:
    return "tcp_server::stop";
  case blocking_call::process_wait:
    return "subprocess::wait";
  case blocking_call::signal_wait:
    return "signal wait";
  }
  return "?";
}

} // namespace weft::detail

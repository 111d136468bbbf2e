// SPDX-License-Identifier: BSL-1.0
#include "tests/semantics/blocking_calls.hpp"

#include <cstdlib>
#include <iostream>

using weft::detail::blocking_call;

namespace blocking {

// Without a default: a call that has no case does not compile.
std::vector<variant> variants_of(blocking_call call) {
  switch (call) {
  case blocking_call::sleep:
  case blocking_call::join:
  case blocking_call::wait:
  case blocking_call::kill:
    return future_variants(call);
  case blocking_call::get: {
    auto all = future_variants(call);
    for (variant& v : several_variants(call))
      all.push_back(std::move(v));
    return all;
  }
  case blocking_call::joinall:
  case blocking_call::killall:
  case blocking_call::wait_for_many:
  case blocking_call::iwait:
  case blocking_call::as_completed:
  case blocking_call::with_timeout:
  case blocking_call::task_group_join:
  case blocking_call::coroutine_await:
    return several_variants(call);
  case blocking_call::group_join:
  case blocking_call::pool_spawn:
  case blocking_call::imap_next:
    return pool_variants(call);
  case blocking_call::mutex_lock:
  case blocking_call::recursive_mutex_lock:
  case blocking_call::shared_mutex_lock:
  case blocking_call::shared_mutex_lock_shared:
  case blocking_call::condition_wait:
  case blocking_call::semaphore_acquire:
  case blocking_call::event_wait:
  case blocking_call::barrier_wait:
  case blocking_call::latch_wait:
  case blocking_call::call_once:
    return sync_variants(call);
  case blocking_call::queue_put:
  case blocking_call::queue_get:
  case blocking_call::queue_peek:
  case blocking_call::queue_join:
  case blocking_call::channel_send:
  case blocking_call::channel_receive:
  case blocking_call::select:
    return container_variants(call);
  case blocking_call::executor_submit:
  case blocking_call::executor_shutdown:
  case blocking_call::offload:
  case blocking_call::io_getaddrinfo:
  case blocking_call::io_getnameinfo:
  case blocking_call::io_file_system:
    return thread_variants(call);
  case blocking_call::io_read:
  case blocking_call::io_readv:
  case blocking_call::io_write:
  case blocking_call::io_writev:
  case blocking_call::io_recv:
  case blocking_call::io_recvfrom:
  case blocking_call::io_recvmsg:
  case blocking_call::io_send:
  case blocking_call::io_sendto:
  case blocking_call::io_sendmsg:
    return transfer_variants(call);
  case blocking_call::server_serve:
  case blocking_call::server_stop:
    return server_variants(call);
  case blocking_call::io_accept:
  case blocking_call::io_connect:
  case blocking_call::io_poll:
  case blocking_call::io_select:
  case blocking_call::io_epoll_wait:
  case blocking_call::process_wait:
  case blocking_call::signal_wait:
    return system_variants(call);
  case blocking_call::libc_call: // under the patch only: see tests/identity
    return {};
  case blocking_call::run:
    return {}; // of the thread's own fiber only: see run_test.cpp
  }
  std::cerr << "no such call\n";
  std::abort();
}

std::vector<variant> all_variants() {
  std::vector<variant> all;
  for (unsigned i = 0; i <= static_cast<unsigned>(weft::detail::last_blocking_call); ++i)
    for (variant& v : variants_of(static_cast<blocking_call>(i)))
      all.push_back(std::move(v));
  return all;
}

} // namespace blocking

// SPDX-License-Identifier: BSL-1.0
#include "runtime/sched/sanitizer.hpp"

#include <pthread.h>

namespace weft::detail {

void execution::adopt_thread() noexcept {
#if defined(__SANITIZE_ADDRESS__)
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    void* low = nullptr;
    pthread_attr_getstack(&attributes, &low, &size);
    bottom = low;
    pthread_attr_destroy(&attributes);
  }
#endif
#if defined(__SANITIZE_THREAD__)
  fiber = __tsan_get_current_fiber();
#endif
}

} // namespace weft::detail

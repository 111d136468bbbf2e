// SPDX-License-Identifier: BSL-1.0
#include "runtime/observe/sample_thread.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <new>
#include <thread>

#include "runtime/sched/hub.hpp"

namespace weft::detail {
namespace {

// Ignored by default, and sent to nobody who did not ask for it: Go's runtime took it for that.
constexpr int looking = SIGURG;

std::mutex sampling_mutex;
unsigned samplers = 0; // under sampling_mutex
struct sigaction previous {};

enum class stage { idle, asked, looks, seen, too_late };

/// Written by the handler without allocating. One at a time, under request_mutex.
struct {
  std::atomic<stage> at{stage::idle};
  std::atomic<int> thread{0}; // a late signal may look while the next request is written
  std::atomic<std::uint64_t> turns{0};
  bool in_fiber = false;
  std::uint64_t fiber = 0;
  char name[128] = {};
  bool alone = false;
  stack_trace trace;
} request;
std::mutex request_mutex;

/// On the hub's thread, at any instruction.
bool look_at_this_thread() noexcept {
  hub* h = this_hub;
  if (!h || h->turns() != request.turns || h->sleeps()) return false;
  const state* fiber = h->running();
  request.in_fiber = fiber != nullptr;
  request.name[0] = 0;
  if (fiber) {
    request.fiber = fiber->id;
    request.alone = fiber->has(thread_fiber) && h->fibers() == 0;
    const char* name = fiber->has(thread_fiber)                        ? "main"
                       : fiber->extras && !fiber->extras->name.empty() ? fiber->extras->name.c_str()
                                                                       : "";
    std::strncpy(request.name, name, sizeof request.name - 1);
  }
  request.trace = trace_of_interrupted();
  return true;
}

void handle(int number, siginfo_t* info, void* context) {
  const int error = errno;
  stage expected = stage::asked;
  if (request.thread == ::gettid() &&
      request.at.compare_exchange_strong(expected, stage::looks, std::memory_order_acq_rel)) {
    request.at.store(look_at_this_thread() ? stage::seen : stage::too_late,
                     std::memory_order_release);
  } else if (previous.sa_flags & SA_SIGINFO) {
    if (previous.sa_sigaction) previous.sa_sigaction(number, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(number);
  }
  errno = error;
}

/// The thread that may have held them is not there.
void reset_in_child() noexcept {
  ::new (static_cast<void*>(&sampling_mutex)) std::mutex;
  ::new (static_cast<void*>(&request_mutex)) std::mutex;
  request.at.store(stage::idle, std::memory_order_relaxed);
}

stage wait_for_answer() {
  // It comes at once unless the thread cannot run, or has the signal blocked.
  const auto patience = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  while (true) {
    stage now = request.at.load(std::memory_order_acquire);
    if (now == stage::seen || now == stage::too_late) return now;
    if (now == stage::asked && std::chrono::steady_clock::now() > patience &&
        request.at.compare_exchange_strong(now, stage::idle, std::memory_order_acq_rel))
      return stage::idle;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

} // namespace

sampling::sampling() {
  static const int once = ::pthread_atfork(nullptr, nullptr, &reset_in_child);
  static_cast<void>(once);
  const std::lock_guard held(sampling_mutex);
  if (samplers++ != 0) return;
  struct sigaction action {};
  action.sa_sigaction = &handle;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigfillset(&action.sa_mask);
  ::sigaction(looking, &action, &previous);
}

sampling::~sampling() {
  const std::lock_guard held(sampling_mutex);
  if (--samplers != 0) return;
  struct sigaction now {};
  if (::sigaction(looking, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
      now.sa_sigaction == &handle)
    ::sigaction(looking, &previous, nullptr);
}

std::optional<sample> sample_thread(hub& h, std::uint64_t turns) {
  const std::lock_guard held(request_mutex);
  const int thread = h.thread_id();
  request.thread = thread;
  request.turns = turns;
  request.at.store(stage::asked, std::memory_order_release);
  if (::syscall(SYS_tgkill, ::getpid(), thread, looking) != 0) {
    request.at.store(stage::idle, std::memory_order_relaxed);
    return std::nullopt;
  }
  const stage answer = wait_for_answer();
  request.at.store(stage::idle, std::memory_order_relaxed);
  if (answer != stage::seen) return std::nullopt;
  sample s;
  s.alone = request.alone;
  s.trace = request.trace;
  if (!request.in_fiber)
    s.culprit = "a callback";
  else if (request.name[0])
    s.culprit = std::string("fiber ") + request.name;
  else
    s.culprit = "fiber fiber-" + std::to_string(request.fiber);
  return s;
}

} // namespace weft::detail

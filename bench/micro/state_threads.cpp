// SPDX-License-Identifier: BSL-1.0
#include <st.h>

#include <memory>
#include <mutex>
#include <utility>

#include "bench/micro/cases.hpp"

namespace {

constexpr int stack_bytes = 16 << 10;

void* call(void* closure);

/// A thread of State Threads with the callable that it runs.
class thread {
 public:
  template <class F>
  explicit thread(F&& f, int stack = stack_bytes)
      : body_(std::make_unique<closure<std::decay_t<F>>>(std::forward<F>(f))),
        thread_(st_thread_create(call, body_.get(), 1, stack)) {}
  void join() { st_thread_join(thread_, nullptr); }
  void abandon() { body_.release(); }

  struct closure_base {
    virtual ~closure_base() = default;
    virtual void run() = 0;
  };

 private:
  template <class F>
  struct closure final : closure_base {
    explicit closure(F&& f) : call(std::move(f)) {}
    explicit closure(const F& f) : call(f) {}
    void run() override { call(); }
    F call;
  };

  std::unique_ptr<closure_base> body_;
  st_thread_t thread_;
};

void* call(void* closure) {
  static_cast<thread::closure_base*>(closure)->run();
  return nullptr;
}

class st_mutex_lock_ {
 public:
  st_mutex_lock_() : mutex_(st_mutex_new()) {}
  st_mutex_lock_(const st_mutex_lock_&) = delete;
  st_mutex_lock_& operator=(const st_mutex_lock_&) = delete;
  ~st_mutex_lock_() { st_mutex_destroy(mutex_); }
  void lock() { st_mutex_lock(mutex_); }
  void unlock() { st_mutex_unlock(mutex_); }

 private:
  st_mutex_t mutex_;
};

/// Its conditions know no mutex, since nothing else runs between the unlocking and the waiting.
class condition {
 public:
  condition() : condition_(st_cond_new()) {}
  condition(const condition&) = delete;
  condition& operator=(const condition&) = delete;
  ~condition() { st_cond_destroy(condition_); }
  template <class Lock>
  void wait(Lock& held) {
    held.unlock();
    st_cond_wait(condition_);
    held.lock();
  }
  void notify_one() { st_cond_signal(condition_); }

 private:
  st_cond_t condition_;
};

struct library {
  using handle = thread;
  using mutex = st_mutex_lock_;
  using condition_variable = condition;

  static constexpr std::size_t most = 100'000;

  template <class F>
  static handle spawn(F&& f) {
    return handle(std::forward<F>(f));
  }
  static void yield() { st_usleep(0); } // it has no other way
  template <class Span>
  static void sleep(Span span) {
    st_usleep(static_cast<st_utime_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(span).count()));
  }
  static void abandon(handle& one) { one.abandon(); }
  static void count(std::size_t& n) { ++n; }
};

} // namespace

int main(int argc, char** argv) {
  st_set_eventsys(ST_EVENTSYS_ALT);
  if (st_init() != 0) return 1;
  bench::register_cases<library>();
  bench::run_program(argc, argv);
}

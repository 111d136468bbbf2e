// SPDX-License-Identifier: BSL-1.0
#include "crew.hpp"

#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/syscall.h>

#include <chrono>
#include <new>
#include <string>
#include <thread>

#include "patch/calls/table.hpp"
#include "patch/kernel/configuration.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/thread_pointer.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr std::size_t stack_size = 256 * 1024;

constexpr std::uint64_t pthread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                        CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                        CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

} // namespace

long call(long number, std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d,
          std::uint64_t e, std::uint64_t f) noexcept {
  syscall_frame frame{};
  frame.rax = static_cast<std::uint64_t>(number);
  frame.rdi = a, frame.rsi = b, frame.rdx = c, frame.r10 = d, frame.r8 = e, frame.r9 = f;
  if (weft_dispatch(&frame) == dispatch_result::native) weft_native(&frame);
  return static_cast<long>(frame.rax);
}

struct crew::member {
  explicit member(std::function<void()> what)
      : body(std::move(what)), stack(new char[stack_size]) {}
  ~member() { end_fiber(fiber); }

  std::function<void()> body;
  std::unique_ptr<char[]> stack;
  void* fiber = new_fiber();
  std::uint32_t tid = 0; // 0 again when it has exited
  std::atomic<bool> done{false};
};

/// Where a new thread's first instruction is: with the registers of who called clone3.
void crew::live(clone_args*, std::size_t, member* self) noexcept {
  self->body();
  self->done.store(true, std::memory_order_release);
  call(SYS_exit);
}

/// While somebody looks who belongs to it.
class crew::books_guard {
 public:
  explicit books_guard(crew& of) noexcept : of_(of) {
    while (of_.books_taken_.exchange(true, std::memory_order_acquire))
      call(SYS_sched_yield);
  }
  ~books_guard() { of_.books_taken_.store(false, std::memory_order_release); }
  books_guard(const books_guard&) = delete;
  books_guard& operator=(const books_guard&) = delete;

 private:
  crew& of_;
};

crew::crew(unsigned workers) {
  raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask_before_, 8);
  std::string chosen = "WEFT_WORKERS=" + std::to_string(workers);
  std::string calm = "WEFT_NO_PREEMPT=1"; // signals would come to the sanitizer's own code
  char* environment[] = {chosen.data(), calm.data(), nullptr};
  if (read_configuration(environment)) throw std::bad_alloc();
  core::select_jump(core::faster_balanced());
  make_machine();
  m().phase_changed = change_phase;
  set_virtual_calls(phase::single);
  main_ = m().greens.make();
  main_->tid = m().main_tid = static_cast<pid_t>(raw_syscall(SYS_gettid));
  main_->on = &m().first;
  main_->thread_pointer = make_bare_tls(*main_);
  main_->started = true;
  main_->why = wakeup::event;
  main_->blocked = m().first.kernel_mask = mask_before_;
  m().first.idle.on = &m().first;
  enroll(*main_);
  fiber_of(main_->thread_pointer) = current_fiber();
  set_thread_pointer(main_->thread_pointer);
  if (!prepare_worker(m().first)) throw std::bad_alloc();
  fiber_of(m().first.idle.thread_pointer) = new_fiber();
}

crew::~crew() {
  call(SYS_gettid); // if it has not been left alone yet
  m().monitor.stop();
  for (int patience = 0; kernel_threads() > 0 && patience < 1000; ++patience)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  end_fiber(fiber_of(m().first.idle.thread_pointer));
  strike_off(*main_);
  weft_self = nullptr;
  m().~machine();
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask_before_, nullptr, 8);
}

void crew::start(std::function<void()> body) {
  auto made = std::make_unique<member>(std::move(body));
  static green placeholder; // stands where the thread's own comes
  void* tls = make_bare_tls(placeholder);
  if (!tls) throw std::bad_alloc();
  fiber_of(tls) = made->fiber;
  clone_args args{};
  args.flags = pthread_flags;
  args.stack = reinterpret_cast<std::uint64_t>(made->stack.get());
  args.stack_size = stack_size - 8; // as after a call
  args.tls = reinterpret_cast<std::uint64_t>(tls);
  args.parent_tid = args.child_tid = reinterpret_cast<std::uint64_t>(&made->tid);
  syscall_frame frame{};
  frame.rax = SYS_clone3;
  frame.rdi = reinterpret_cast<std::uint64_t>(&args);
  frame.rsi = sizeof args;
  frame.rdx = reinterpret_cast<std::uint64_t>(made.get());
  frame.rflags = 0x202;
  frame.child_resume = reinterpret_cast<std::uint64_t>(live);
  {
    const books_guard guard{*this};
    members_.push_back(std::move(made));
  }
  if (weft_dispatch(&frame) != dispatch_result::done || static_cast<long>(frame.rax) < 0)
    throw std::bad_alloc();
}

void crew::join() {
  for (std::size_t i = 0;; ++i) {
    member* each = nullptr;
    {
      const books_guard guard{*this};
      if (i < members_.size()) each = members_[i].get();
    }
    if (!each) break;
    while (const std::uint32_t tid = __atomic_load_n(&each->tid, __ATOMIC_ACQUIRE))
      call(SYS_futex, address(&each->tid), FUTEX_WAIT, tid);
    call(SYS_gettid); // its exit was made inside weft
    if (!each->done.load(std::memory_order_acquire)) std::abort();
  }
  members_.clear();
}

} // namespace weft::patch

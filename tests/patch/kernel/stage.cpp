// SPDX-License-Identifier: BSL-1.0
#include "stage.hpp"

#include <signal.h>
#include <sys/syscall.h>

#include "patch/calls/table.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/thread_pointer.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

bool has_fsgsbase = false; // start.cpp, which is not linked here, finds that out

namespace {

constexpr std::size_t stack_size = 256 * 1024;
pid_t next_bystander = 4200000;

} // namespace

struct stage::actor {
  explicit actor(part p) : body(std::move(p)), stack(new char[stack_size]) {}
  part body;
  std::unique_ptr<char[]> stack;
  green* thread = nullptr;
};

stage::actor* stage::entering_ = nullptr;

stage::stage() {
  raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask_before_, 8);
  make_machine();
  m().phase_changed = set_virtual_calls;
  main_ = m().greens.make();
  main_->tid = m().main_tid = static_cast<pid_t>(raw_syscall(SYS_gettid));
  main_->on = &w();
  main_->thread_pointer = thread_pointer();
  main_->why = wakeup::event;
  main_->blocked = mask_before_;
  enroll(*main_);
  w().kernel_mask = mask_before_;
  weft_self = main_;
  if (!prepare_worker(w())) throw std::bad_alloc();
  w().idle.thread_pointer = main_->thread_pointer;
}

stage::~stage() {
  weft_self = main_;
  m().all.for_each([](green& g) {
    if (&g != &the_machine().all.front()) strike_off(g);
  });
  strike_off(*main_);
  weft_self = nullptr;
  m().~machine();
  raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask_before_, nullptr, 8);
}

void stage::enter(core::transfer t) noexcept {
  // The scheduler's half of a switch, for who was left.
  green& from = *static_cast<green*>(t.data);
  from.suspended = t.from;
  if (from.why == wakeup::event) the_machine().processors[0].ready.push_back(from);
  actor& a = *entering_;
  a.body(*a.thread);
  exit_thread(*a.thread, 0);
}

green& stage::start(part body) {
  actor& a = *actors_.emplace_back(std::make_unique<actor>(std::move(body)));
  green& g = *m().greens.make();
  a.thread = &g;
  g.tid = next_bystander++;
  g.on = &w();
  g.thread_pointer = main_->thread_pointer;
  g.blocked = main_->blocked;
  enroll(g);
  g.suspended = core::make_context(a.stack.get() + stack_size, stack_size, enter);
  g.why = wakeup::event;
  m().processors[0].ready.push_front(g);
  entering_ = &a;
  run();
  return g;
}

void stage::run() noexcept {
  do
    yield(*main_);
  while (!m().processors[0].ready.empty());
}

void stage::run_until(core::nanoseconds deadline) noexcept {
  prepare_park(*main_);
  park(*main_, deadline, park_reason::sleep, false);
  run();
}

green& stage::bystander(std::uint64_t blocked) {
  green& g = *m().greens.make();
  g.tid = next_bystander++;
  g.on = &w();
  g.blocked = blocked;
  g.why = wakeup::parked;
  enroll(g);
  ++bystanders_;
  return g;
}

void stage::dismiss(green& g) noexcept {
  strike_off(g);
  m().greens.destroy(&g);
  --bystanders_;
}

core::nanoseconds soon() noexcept {
  return core::monotonic_now() + 30'000'000;
}

} // namespace weft::patch

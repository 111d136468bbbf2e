// SPDX-License-Identifier: BSL-1.0
#include <sys/syscall.h>
#include <ucontext.h>

#include <random>
#include <vector>

#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/signals.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "stage.hpp"

namespace weft::patch {
namespace {

constexpr std::uint64_t unblockable = signal_bit(SIGKILL) | signal_bit(SIGSTOP);

std::uint64_t kernel_s_mask() {
  std::uint64_t mask = 0;
  raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &mask, 8);
  return mask;
}

siginfo_t from_somebody(int signal) {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = SI_TKILL;
  return info;
}

/// Handlers that note what they find. They stand in for the program's.
struct seen {
  int signal;
  std::uint64_t blocked;
};
std::vector<seen> handled;
green* handling = nullptr;
void note(int signal, siginfo_t*, void*) {
  handled.push_back({signal, handling->blocked});
}
void note_and_change_mask(int signal, siginfo_t* info, void* context) {
  note(signal, info, context);
  sigaddset(&static_cast<ucontext_t*>(context)->uc_sigmask, SIGTERM);
}
void note_and_change_register(int signal, siginfo_t* info, void* context) {
  note(signal, info, context);
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RBX] = 42;
}

class signals_test : public stage {
 protected:
  signals_test() {
    handled.clear();
    handling = &me();
    set_blocked(me(), 0);
  }
  ~signals_test() override {
    me().pending.clear();
    for (green* g : threads)
      g->pending.clear();
  }
  std::uint64_t intersection() {
    std::uint64_t all = ~std::uint64_t{0};
    m().all.for_each([&](green& g) { all &= g.blocked; });
    return all;
  }
  void handle(int signal, void (*handler)(int, siginfo_t*, void*), std::uint64_t flags = 0,
              std::uint64_t mask = 0) {
    m().signals.actions[signal] = {reinterpret_cast<void*>(handler), flags, nullptr, mask};
  }
  delivery deliver() {
    const delivery done = deliver_signals(me(), frame);
    me().in_kernel = false;
    return done;
  }
  std::vector<green*> threads;
  syscall_frame frame{};
};

TEST_F(signals_test, what_all_threads_block_the_kernel_blocks) {
  green& other = bystander();
  set_blocked(me(), signal_bit(SIGUSR1) | signal_bit(SIGHUP));
  EXPECT_EQ(w().kernel_mask, 0u);
  set_blocked(other, signal_bit(SIGUSR1));
  EXPECT_EQ(w().kernel_mask, signal_bit(SIGUSR1));
  EXPECT_EQ(kernel_s_mask(), signal_bit(SIGUSR1));
  set_blocked(other, 0);
  EXPECT_EQ(kernel_s_mask(), 0u);
  dismiss(other);
  EXPECT_EQ(kernel_s_mask(), signal_bit(SIGUSR1) | signal_bit(SIGHUP)) << "the last one's";
}

TEST_F(signals_test, kill_and_stop_cannot_be_blocked) {
  set_blocked(me(), ~std::uint64_t{0});
  EXPECT_EQ(me().blocked, ~unblockable);
  EXPECT_EQ(kernel_s_mask(), ~unblockable);
}

TEST_F(signals_test, what_is_awaited_stays_in_the_kernel) {
  m().signals.awaited.add(signal_bit(SIGUSR1));
  apply_worker_mask(w());
  EXPECT_EQ(kernel_s_mask(), signal_bit(SIGUSR1));
  set_blocked(me(), signal_bit(SIGUSR1));
  set_blocked(me(), 0);
  EXPECT_EQ(kernel_s_mask(), signal_bit(SIGUSR1));
  m().signals.awaited.subtract(signal_bit(SIGUSR1));
  apply_worker_mask(w());
  EXPECT_EQ(kernel_s_mask(), 0u);
}

TEST_F(signals_test, the_books_agree_with_a_naive_intersection) {
  std::mt19937_64 random{17};
  const auto some_mask = [&] {
    // Few bits, all but few, or anything.
    const std::uint64_t r = random() | random();
    switch (random() % 3) {
    case 0:
      return random() & random() & random();
    case 1:
      return r | random() | random();
    default:
      return r;
    }
  };
  threads.push_back(&me());
  for (int step = 0; step < 20'000; ++step) {
    green& any = *threads[random() % threads.size()];
    switch (random() % 8) {
    case 0: // a thread inherits its creator's mask
      if (threads.size() < 60) threads.push_back(&bystander(any.blocked));
      break;
    case 1:
      if (&any != &me()) {
        std::erase(threads, &any);
        dismiss(any);
      }
      break;
    default:
      set_blocked(any, some_mask());
    }
    ASSERT_EQ(w().kernel_mask, intersection()) << "step " << step;
    ASSERT_EQ(m().signals.worker_mask(), intersection()) << "step " << step;
    if (step % 64 == 0) {
      ASSERT_EQ(kernel_s_mask(), intersection()) << "step " << step;
    }
  }
}

TEST_F(signals_test, what_is_ignored_is_dropped_unless_blocked) {
  m().signals.actions[SIGUSR1].handler = reinterpret_cast<void*>(SIG_IGN);
  send_signal(me(), from_somebody(SIGUSR1));
  EXPECT_EQ(me().pending.set(), 0u);
  send_signal(me(), from_somebody(SIGCHLD));
  send_signal(me(), from_somebody(SIGWINCH));
  send_signal(me(), from_somebody(SIGURG));
  EXPECT_EQ(me().pending.set(), 0u) << "by default these do nothing";
  set_blocked(me(), signal_bit(SIGUSR1));
  send_signal(me(), from_somebody(SIGUSR1));
  EXPECT_EQ(me().pending.set(), signal_bit(SIGUSR1)) << "sigwait may ask for it";
}

TEST_F(signals_test, a_signal_ends_an_interruptible_wait_only) {
  handle(SIGUSR1, note);
  const auto parked = [&](std::uint64_t blocked, bool interruptible) -> green& {
    return start([=, this](green& g) {
      set_blocked(g, blocked);
      prepare_park(g);
      const wakeup why = park(g, core::never, park_reason::io, interruptible);
      EXPECT_EQ(why, blocked || !interruptible ? wakeup::event : wakeup::signal);
      g.pending.clear();
    });
  };
  green& a = parked(0, true);
  green& b = parked(signal_bit(SIGUSR1), true);
  green& c = parked(0, false);
  for (green* g : {&a, &b, &c})
    send_signal(*g, from_somebody(SIGUSR1));
  EXPECT_EQ(a.why, wakeup::signal);
  EXPECT_EQ(b.why, wakeup::parked);
  EXPECT_EQ(c.why, wakeup::parked);
  EXPECT_EQ(b.pending.set(), signal_bit(SIGUSR1));
  EXPECT_EQ(c.pending.set(), signal_bit(SIGUSR1));
  unpark(b, wakeup::event);
  unpark(c, wakeup::event);
  run();
  EXPECT_EQ(still_there(), 0u);
}

TEST_F(signals_test, one_that_is_pending_already_keeps_a_thread_from_parking) {
  handle(SIGUSR1, note);
  send_signal(me(), from_somebody(SIGUSR1));
  prepare_park(me());
  EXPECT_EQ(park(me(), core::never, park_reason::io, true), wakeup::signal);
  EXPECT_EQ(m().stats.parks[static_cast<int>(park_reason::io)], 0u);
}

TEST_F(signals_test, a_handler_runs_with_its_mask_and_the_thread_gets_its_own_back) {
  handle(SIGUSR1, note, 0, signal_bit(SIGHUP));
  set_blocked(me(), signal_bit(SIGTERM));
  send_signal(me(), from_somebody(SIGUSR1));
  const delivery done = deliver();
  EXPECT_TRUE(done.handled);
  EXPECT_FALSE(done.may_restart);
  ASSERT_EQ(handled.size(), 1u);
  EXPECT_EQ(handled[0].signal, SIGUSR1);
  EXPECT_EQ(handled[0].blocked, signal_bit(SIGTERM) | signal_bit(SIGHUP) | signal_bit(SIGUSR1));
  EXPECT_EQ(me().blocked, signal_bit(SIGTERM));
  EXPECT_EQ(kernel_s_mask(), signal_bit(SIGTERM));
}

TEST_F(signals_test, nodefer_leaves_the_signal_itself_open) {
  handle(SIGUSR1, note, SA_NODEFER);
  send_signal(me(), from_somebody(SIGUSR1));
  deliver();
  ASSERT_EQ(handled.size(), 1u);
  EXPECT_EQ(handled[0].blocked, 0u);
}

TEST_F(signals_test, all_that_is_pending_is_delivered_lowest_first_but_what_is_blocked) {
  for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM})
    handle(signal, note, SA_RESTART);
  set_blocked(me(), signal_bit(SIGUSR2));
  for (const int signal : {SIGTERM, SIGUSR2, SIGUSR1, SIGHUP})
    send_signal(me(), from_somebody(signal));
  const delivery done = deliver();
  EXPECT_TRUE(done.handled);
  EXPECT_TRUE(done.may_restart);
  ASSERT_EQ(handled.size(), 3u);
  EXPECT_EQ(handled[0].signal, SIGHUP);
  EXPECT_EQ(handled[1].signal, SIGUSR1);
  EXPECT_EQ(handled[2].signal, SIGTERM);
  EXPECT_EQ(me().pending.set(), signal_bit(SIGUSR2));
}

TEST_F(signals_test, one_handler_without_restart_is_enough) {
  handle(SIGUSR1, note, SA_RESTART);
  handle(SIGUSR2, note, 0);
  send_signal(me(), from_somebody(SIGUSR1));
  send_signal(me(), from_somebody(SIGUSR2));
  EXPECT_FALSE(deliver().may_restart);
}

TEST_F(signals_test, a_handler_may_change_the_mask_and_the_registers_it_returns_to) {
  handle(SIGUSR1, note_and_change_mask);
  handle(SIGUSR2, note_and_change_register);
  frame.rbx = 1;
  frame.r12 = 12;
  send_signal(me(), from_somebody(SIGUSR1));
  deliver();
  EXPECT_EQ(me().blocked, signal_bit(SIGTERM));
  EXPECT_EQ(frame.rbx, 1u);
  send_signal(me(), from_somebody(SIGUSR2));
  deliver();
  EXPECT_EQ(frame.rbx, 42u);
  EXPECT_EQ(frame.r12, 12u);
}

TEST_F(signals_test, after_a_temporary_mask_the_old_one_is_the_handler_s_to_return_to) {
  handle(SIGUSR1, note);
  set_blocked(me(), signal_bit(SIGUSR1));
  send_signal(me(), from_somebody(SIGUSR1));
  // sigsuspend with an empty mask.
  me().saved_blocked = me().blocked;
  me().restore_blocked = true;
  set_blocked(me(), 0);
  deliver();
  ASSERT_EQ(handled.size(), 1u);
  EXPECT_EQ(me().blocked, signal_bit(SIGUSR1));
  EXPECT_FALSE(me().restore_blocked);
}

} // namespace
} // namespace weft::patch

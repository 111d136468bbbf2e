// SPDX-License-Identifier: BSL-1.0
#include <sys/syscall.h>

#include <random>
#include <set>

#include "patch/kernel/futex.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/entry.hpp"
#include "stage.hpp"

namespace weft::patch {
namespace {

constexpr std::uint64_t pthread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                        CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                        CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

class threads : public stage {
 protected:
  /// What pthread_create passes to clone3, for a thread that is never let run.
  struct made {
    std::unique_ptr<char[]> stack{new char[size]};
    void* tls = nullptr;
    pid_t parent_tid = 0;
    std::uint32_t child_tid = 0;
    long result = 0;
    static constexpr std::size_t size = 16 * 1024;
    std::uint64_t top() const { return reinterpret_cast<std::uint64_t>(stack.get()) + size; }
  };
  made create(std::uint64_t flags = pthread_flags) {
    made t;
    static green placeholder; // stands where the thread's own comes
    t.tls = make_bare_tls(placeholder);
    clone_args args{};
    args.flags = flags;
    args.stack = reinterpret_cast<std::uint64_t>(t.stack.get());
    args.stack_size = made::size;
    args.tls = reinterpret_cast<std::uint64_t>(t.tls);
    args.parent_tid = reinterpret_cast<std::uint64_t>(&t.parent_tid);
    args.child_tid = reinterpret_cast<std::uint64_t>(&t.child_tid);
    syscall_frame frame{};
    frame.rax = SYS_clone3;
    frame.rbx = 0xb;
    frame.r15 = 0xf;
    frame.child_resume = 0x1234;
    t.result = create_thread(me(), frame, args);
    return t;
  }
  void forget(long tid) {
    green* g = find_thread(static_cast<pid_t>(tid));
    ASSERT_TRUE(g);
    static_cast<core::list_hook<ready_tag>&>(*g).unlink();
    strike_off(*g);
    m().greens.destroy(g);
  }
};

TEST_F(threads, a_new_one_is_in_the_books_and_ready) {
  const made t = create();
  ASSERT_GT(t.result, 4194304) << "beyond what the kernel gives";
  green* g = find_thread(static_cast<pid_t>(t.result));
  ASSERT_TRUE(g);
  EXPECT_EQ(g->tid, t.result);
  EXPECT_EQ(g->thread_pointer, t.tls);
  EXPECT_EQ(g->clear_child_tid, &t.child_tid);
  EXPECT_EQ(t.parent_tid, t.result);
  EXPECT_EQ(t.child_tid, 0u) << "CLONE_CHILD_SETTID was not asked for";
  EXPECT_EQ(&m().processors[0].ready.front(), g);
  EXPECT_EQ(m().count, 2u);
  EXPECT_EQ(m().now, phase::active);
  EXPECT_EQ(m().stats.threads_peak, 2u);
  forget(t.result);
}

TEST_F(threads, begins_with_its_creator_s_registers_on_its_own_stack) {
  const made t = create();
  const green& g = *find_thread(static_cast<pid_t>(t.result));
  const syscall_frame& frame = *g.first_frame;
  EXPECT_EQ(frame.rax, 0u) << "clone's result in the child";
  EXPECT_EQ(frame.rbx, 0xbu);
  EXPECT_EQ(frame.r15, 0xfu);
  EXPECT_EQ(frame.child_resume, 0x1234u);
  EXPECT_EQ(frame.user_rsp, t.top());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&frame) % 16, 0u);
  EXPECT_LE(reinterpret_cast<std::uintptr_t>(&frame + 1) + 128, t.top()) << "below its red zone";
  forget(t.result);
}

TEST_F(threads, only_what_the_flags_ask_for_is_written) {
  const made t = create(CLONE_VM | CLONE_THREAD | CLONE_SETTLS | CLONE_CHILD_SETTID);
  EXPECT_EQ(t.parent_tid, 0);
  EXPECT_EQ(t.child_tid, static_cast<std::uint32_t>(t.result));
  EXPECT_EQ(find_thread(static_cast<pid_t>(t.result))->clear_child_tid, nullptr);
  forget(t.result);
}

TEST_F(threads, inherits_the_mask_and_nothing_pending) {
  set_blocked(me(), signal_bit(SIGUSR1) | signal_bit(SIGTERM));
  siginfo_t info{};
  info.si_signo = SIGUSR1;
  me().pending.push(info);
  const made t = create();
  const green& g = *find_thread(static_cast<pid_t>(t.result));
  EXPECT_EQ(g.blocked, signal_bit(SIGUSR1) | signal_bit(SIGTERM));
  EXPECT_EQ(g.pending.set(), 0u);
  me().pending.clear();
  forget(t.result);
  set_blocked(me(), 0);
}

TEST_F(threads, tids_grow_and_are_not_used_again) {
  std::mt19937_64 random{3};
  for (int round = 0; round < 20; ++round) {
    seed_tids(random());
    long last = 4194304;
    for (int i = 0; i < 100; ++i) {
      const made t = create();
      ASSERT_GT(t.result, last);
      ASSERT_LT(t.result, FUTEX_TID_MASK) << "a futex word has no more bits";
      last = t.result;
      forget(t.result);
    }
  }
}

TEST_F(threads, the_first_tid_depends_on_the_seed) {
  std::set<long> first;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    seed_tids(seed * 0x9e3779b97f4a7c15u);
    const made t = create();
    first.insert(t.result);
    forget(t.result);
  }
  EXPECT_GT(first.size(), 45u);
}

TEST_F(threads, are_found_by_tid_while_they_exist) {
  std::vector<made> all;
  for (int i = 0; i < 10'000; ++i)
    all.push_back(create()); // more than the table has places
  for (const made& t : all) {
    green* g = find_thread(static_cast<pid_t>(t.result));
    ASSERT_TRUE(g);
    ASSERT_EQ(g->tid, t.result);
  }
  EXPECT_EQ(find_thread(static_cast<pid_t>(all.back().result + 1)), nullptr);
  EXPECT_EQ(find_thread(0), nullptr);
  EXPECT_EQ(find_thread(me().tid), &me());
  for (const made& t : all) {
    forget(t.result);
    ASSERT_EQ(find_thread(static_cast<pid_t>(t.result)), nullptr);
  }
  EXPECT_EQ(m().stats.threads_peak, 10'001u);
  EXPECT_EQ(m().stats.threads_made, 10'001u);
  m().may_be_single = true;
  become_single(me());
  EXPECT_EQ(m().now, phase::single);
}

TEST_F(threads, the_end_is_told_to_the_joiner_who_may_have_the_stack_at_once) {
  std::uint32_t child_tid = 1;
  std::uint32_t seen_while_alive = 0;
  pid_t tid = 0;
  start([&](green& g) {
    g.clear_child_tid = &child_tid;
    tid = g.tid;
    yield(g);
    seen_while_alive = child_tid;
  });
  EXPECT_EQ(seen_while_alive, 1u);
  EXPECT_EQ(child_tid, 0u);
  EXPECT_EQ(find_thread(tid), nullptr);
  EXPECT_EQ(m().count, 1u);
  EXPECT_TRUE(m().may_be_single);
}

TEST_F(threads, a_joiner_is_woken) {
  std::uint32_t child_tid = 1, go = 0;
  start([&](green& g) {
    g.clear_child_tid = &child_tid;
    m().futexes.wait(g, &go, 0, ~0u, core::never);
  });
  bool joined = false;
  start([&](green& g) {
    EXPECT_EQ(m().futexes.wait(g, &child_tid, 1, ~0u, core::never), 0);
    joined = true;
  });
  EXPECT_FALSE(joined);
  m().futexes.wake(&go, 1, ~0u);
  run();
  EXPECT_TRUE(joined);
}

/// The initial thread may end before others; what is left still needs the books.
TEST_F(threads, one_that_is_left_alone_without_being_the_first_stays_virtual) {
  green& other = bystander();
  m().main_tid = other.tid;
  strike_off(other);
  become_active();
  m().may_be_single = true;
  become_single(me());
  EXPECT_EQ(m().count, 1u);
  EXPECT_EQ(m().now, phase::active);
  enroll(other);
  m().main_tid = me().tid;
  dismiss(other);
}

TEST_F(threads, a_yielding_one_lets_every_other_run_once) {
  diary notes;
  std::uint32_t gate = 0;
  for (const char* name : {"A", "B", "C"})
    start([&, name](green& g) {
      m().futexes.wait(g, &gate, 0, ~0u, core::never);
      for (int i = 1; i <= 3; ++i) {
        notes.note(name + std::to_string(i));
        yield(g);
      }
    });
  m().futexes.wake(&gate, 3, ~0u);
  run();
  EXPECT_EQ(notes.read(), "A1 B1 C1 A2 B2 C2 A3 B3 C3");
}

} // namespace
} // namespace weft::patch

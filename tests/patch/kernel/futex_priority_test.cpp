// SPDX-License-Identifier: BSL-1.0
//
// FUTEX_LOCK_PI and its kin: who owns the lock stands in the word.
#include <errno.h>
#include <linux/futex.h>

#include <climits>

#include "patch/kernel/errors.hpp"
#include "patch/kernel/futex.hpp"
#include "patch/kernel/scheduler.hpp"
#include "stage.hpp"

namespace weft::patch {
namespace {

class futex_priority : public stage {
 protected:
  futex_table& futexes() { return m().futexes; }
  static std::uint32_t tid(const green& g) { return static_cast<std::uint32_t>(g.tid); }

  /// A thread that takes `lock`, notes the result, and gives it back once `go` is woken.
  green& locks(std::string name, core::nanoseconds deadline = core::never) {
    return start([this, name = std::move(name), deadline](green& g) {
      const long result = futexes().lock_pi(g, &lock, deadline);
      notes.note(result ? name + "=" + std::to_string(result) : name);
      if (result != 0) return;
      futexes().wait(g, &go, 0, ~0u, core::never);
      futexes().unlock_pi(g, &lock);
    });
  }
  /// Makes the owner give the lock back.
  void next() {
    futexes().wake(&go, 1, ~0u);
    run();
  }
  green& waits_requeued(std::string name, core::nanoseconds deadline = core::never) {
    return start([this, name = std::move(name), deadline](green& g) {
      const long result = futexes().wait_requeue_pi(g, &condition, condition, ~0u, deadline, &lock);
      notes.note(result ? name + "=" + std::to_string(result) : name);
      if (result == 0) futexes().unlock_pi(g, &lock);
    });
  }

  diary notes;
  std::uint32_t lock = 0, go = 0, condition = 0;
};

TEST_F(futex_priority, a_free_lock_is_taken_and_given_back) {
  EXPECT_EQ(futexes().lock_pi(me(), &lock, core::never), 0);
  EXPECT_EQ(lock, tid(me()));
  EXPECT_EQ(futexes().unlock_pi(me(), &lock), 0);
  EXPECT_EQ(lock, 0u);
}

TEST_F(futex_priority, who_waits_for_a_lock_is_not_woken_without_a_frame) {
  locks("first");
  locks("second");
  futexes().answer_at_once();
  const auto* lists = static_cast<const core::list<futex_waiter>*>(weft_futex_lists.load());
  const core::list<futex_waiter>& list = lists[futex_list_index(&lock)];
  EXPECT_FALSE(list.empty());
  EXPECT_EQ(weft_wake(&lock, const_cast<core::list<futex_waiter>*>(&list)), quick_wake::refused);
  next();
  next();
  EXPECT_EQ(notes.read(), "first second");
}

TEST_F(futex_priority, errors_are_the_kernel_s) {
  auto* odd = reinterpret_cast<std::uint32_t*>(reinterpret_cast<char*>(&lock) + 2);
  EXPECT_EQ(futexes().lock_pi(me(), odd, core::never), -EINVAL);
  EXPECT_EQ(futexes().unlock_pi(me(), odd), -EINVAL);
  EXPECT_EQ(futexes().unlock_pi(me(), &lock), -EPERM) << "free";
  lock = tid(me());
  EXPECT_EQ(futexes().lock_pi(me(), &lock, core::never), -EDEADLK);
  EXPECT_EQ(futexes().trylock_pi(me(), &lock), -EDEADLK);
  lock = 12345678; // nobody
  EXPECT_EQ(futexes().lock_pi(me(), &lock, core::never), -ESRCH);
  EXPECT_EQ(futexes().trylock_pi(me(), &lock), -EAGAIN);
  EXPECT_EQ(futexes().unlock_pi(me(), &lock), -EPERM);
}

TEST_F(futex_priority, is_handed_over_in_order) {
  green& first = locks("1");
  EXPECT_EQ(lock, tid(first)) << "nobody waits";
  green& second = locks("2");
  green& third = locks("3");
  EXPECT_EQ(lock, tid(first) | FUTEX_WAITERS);
  const auto owners = std::pair(tid(second), tid(third));
  next();
  EXPECT_EQ(lock, owners.first | FUTEX_WAITERS);
  next();
  EXPECT_EQ(lock, owners.second) << "the last waiter's mark is gone, for user space to unlock";
  next();
  EXPECT_EQ(lock, 0u);
  EXPECT_EQ(notes.read(), "1 2 3");
  EXPECT_EQ(still_there(), 0u);
}

TEST_F(futex_priority, a_deadline_ends_the_wait_and_the_owner_keeps_the_lock) {
  green& owner = locks("owner");
  EXPECT_EQ(futexes().lock_pi(me(), &lock, soon()), -ETIMEDOUT);
  EXPECT_EQ(lock & FUTEX_TID_MASK, tid(owner));
  next();
  EXPECT_EQ(lock, 0u) << "who has gone gets nothing";
}

TEST_F(futex_priority, a_signal_leads_to_a_restart_even_with_a_deadline) {
  locks("owner");
  green& g = locks("1");
  green& h = locks("2", core::monotonic_now() + 1'000'000'000'000);
  unpark(g, wakeup::signal);
  unpark(h, wakeup::signal);
  run();
  const std::string restart = "=" + std::to_string(restart_always);
  EXPECT_EQ(notes.read(), "owner 1" + restart + " 2" + restart);
  next();
  EXPECT_EQ(lock, 0u);
}

TEST_F(futex_priority, a_hand_over_is_not_taken_back) {
  locks("owner");
  green& g = locks("1");
  futexes().wake(&go, 1, ~0u);
  yield(me()); // the owner has given it to 1, who has not run
  EXPECT_FALSE(unpark(g, wakeup::timeout));
  run();
  EXPECT_EQ(notes.read(), "owner 1");
  next();
}

TEST_F(futex_priority, the_mark_of_a_dead_owner_reaches_the_next_one) {
  lock = FUTEX_OWNER_DIED;
  EXPECT_EQ(futexes().lock_pi(me(), &lock, core::never), 0);
  EXPECT_EQ(lock, tid(me()) | FUTEX_OWNER_DIED);
  lock = tid(me());

  locks("waiter");
  futexes().hand_over(&lock, FUTEX_OWNER_DIED);
  run();
  EXPECT_EQ(notes.read(), "waiter");
  EXPECT_TRUE(lock & FUTEX_OWNER_DIED);
  EXPECT_NE(lock & FUTEX_TID_MASK, 0u);
  next();
}

TEST_F(futex_priority, a_plain_wake_on_a_lock_is_misuse) {
  locks("owner");
  locks("waiter");
  EXPECT_EQ(futexes().wake(&lock, 1, ~0u), -EINVAL);
  next();
  next();
}

TEST_F(futex_priority, a_requeued_waiter_owns_the_lock) {
  waits_requeued("1");
  waits_requeued("2");
  waits_requeued("3");
  EXPECT_EQ(futexes().trylock_pi(me(), &lock), 0);
  EXPECT_EQ(futexes().requeue_pi(&condition, &lock, INT_MAX), 3);
  run();
  EXPECT_EQ(notes.read(), "");
  EXPECT_EQ(lock, tid(me()) | FUTEX_WAITERS);
  EXPECT_EQ(futexes().unlock_pi(me(), &lock), 0);
  run();
  EXPECT_EQ(notes.read(), "1 2 3");
  EXPECT_EQ(lock, 0u);
}

TEST_F(futex_priority, a_free_lock_is_given_to_the_first_requeued_at_once) {
  green& first = waits_requeued("1");
  waits_requeued("2");
  EXPECT_EQ(futexes().requeue_pi(&condition, &lock, INT_MAX), 2);
  EXPECT_EQ(lock, tid(first) | FUTEX_WAITERS);
  run();
  EXPECT_EQ(notes.read(), "1 2");
}

TEST_F(futex_priority, one_and_so_many_more_are_requeued) {
  for (const char* name : {"1", "2", "3"})
    waits_requeued(name);
  EXPECT_EQ(futexes().requeue_pi(&condition, &lock, 0), 1);
  run();
  EXPECT_EQ(notes.read(), "1");
  EXPECT_EQ(futexes().requeue_pi(&condition, &lock, 1), 2);
  run();
  EXPECT_EQ(notes.read(), "2 3");
}

TEST_F(futex_priority, requeue_to_another_lock_than_announced_is_refused) {
  std::uint32_t other = 0;
  waits_requeued("1");
  EXPECT_EQ(futexes().requeue_pi(&condition, &other, 1), -EINVAL);
  EXPECT_EQ(other, 0u);
  EXPECT_EQ(futexes().requeue_pi(&condition, &lock, 1), 1);
  run();
}

TEST_F(futex_priority, a_requeueing_wait_that_ends_otherwise) {
  EXPECT_EQ(futexes().wait_requeue_pi(me(), &condition, 1, ~0u, core::never, &lock), -EAGAIN);
  EXPECT_EQ(futexes().wait_requeue_pi(me(), &condition, 0, ~0u, soon(), &lock), -ETIMEDOUT);
  EXPECT_EQ(futexes().wait_requeue_pi(me(), &lock, 0, ~0u, core::never, &lock), -EINVAL);
  green& g = waits_requeued("signalled");
  unpark(g, wakeup::signal);
  run();
  EXPECT_EQ(notes.read(), "signalled=" + std::to_string(-EAGAIN));

  // Requeued, and then out of time while the lock is held.
  futexes().trylock_pi(me(), &lock);
  const core::nanoseconds deadline = soon();
  waits_requeued("late", deadline);
  EXPECT_EQ(futexes().requeue_pi(&condition, &lock, 1), 1);
  run_until(deadline + 1);
  EXPECT_EQ(notes.read(), "late=" + std::to_string(-ETIMEDOUT));
  EXPECT_EQ(futexes().unlock_pi(me(), &lock), 0);
  EXPECT_EQ(lock, 0u);
}

} // namespace
} // namespace weft::patch

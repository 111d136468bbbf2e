// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/idle.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace {

// One step after the other ---------------------------------------------------------

using idle = weft::core::idle_workers<200>;

/// Unparks nobody, but remembers who should have been.
struct calls {
  std::vector<unsigned> made;
  auto unpark() {
    return [this](unsigned worker) { made.push_back(worker); };
  }
};

constexpr auto some = [] { return true; };
constexpr auto none = [] { return false; };

TEST(idle_workers, nobody_is_called_while_nobody_sleeps) {
  idle workers;
  calls c;
  EXPECT_FALSE(workers.work_added(c.unpark()));
  workers.begin_search();
  EXPECT_FALSE(workers.work_added(c.unpark()));
  EXPECT_EQ(workers.searching(), 1u);
  workers.end_search(some, c.unpark());
  EXPECT_EQ(workers.searching(), 0u);
  EXPECT_TRUE(c.made.empty());
}

TEST(idle_workers, one_that_sleeps_is_called_once_and_returns_as_a_searcher) {
  idle workers;
  calls c;
  workers.begin_search();
  const auto woke = workers.sleep(70, none, [&] {
    EXPECT_TRUE(workers.sleeps(70));
    EXPECT_EQ(workers.searching(), 0u);
    EXPECT_TRUE(workers.work_added(c.unpark()));
    EXPECT_FALSE(workers.sleeps(70));
    EXPECT_FALSE(workers.work_added(c.unpark())) << "it is on its way";
  });
  EXPECT_EQ(woke, idle::state::searching);
  EXPECT_EQ(workers.searching(), 1u);
  EXPECT_EQ(c.made, std::vector<unsigned>{70});
}

TEST(idle_workers, work_that_came_just_before_the_bit_was_set_is_seen) {
  idle workers;
  workers.begin_search();
  const auto woke = workers.sleep(0, some, [] { ADD_FAILURE() << "parked beside work"; });
  EXPECT_EQ(woke, idle::state::searching);
  EXPECT_EQ(workers.searching(), 1u);
  EXPECT_FALSE(workers.anybody_sleeps());
}

TEST(idle_workers, one_that_wakes_by_itself_is_no_searcher) {
  idle workers;
  workers.begin_search();
  EXPECT_EQ(workers.sleep(199, none, [] {}), idle::state::running);
  EXPECT_EQ(workers.searching(), 0u);
  EXPECT_FALSE(workers.anybody_sleeps());
}

/// Puts workers to sleep inside each other's parks, then calls `f`.
void while_asleep(idle& workers, std::vector<unsigned> who, const std::function<void()>& f) {
  if (who.empty()) return f();
  const unsigned last = who.back();
  who.pop_back();
  workers.begin_search();
  workers.sleep(last, none, [&] { while_asleep(workers, who, f); });
}

TEST(idle_workers, the_preferred_one_is_called_else_the_first) {
  for (const auto& [preferred, expected] :
       {std::pair{130u, 130u}, std::pair{5u, 3u}, std::pair{idle::most_workers, 3u}}) {
    idle workers;
    calls c;
    while_asleep(workers, {64, 3, 130},
                 [&, prefer = preferred] { workers.work_added(c.unpark(), prefer); });
    EXPECT_EQ(c.made, std::vector<unsigned>{expected});
  }
}

TEST(idle_workers, whoever_finds_more_than_it_takes_calls_the_next) {
  idle workers;
  calls c;
  while_asleep(workers, {1, 2, 3}, [&] {
    workers.work_added(c.unpark());
    workers.end_search(some, c.unpark()); // of 1, which was called
    workers.begin_search();
    workers.end_search(none, c.unpark()); // not the last one: 2 searches
    workers.end_search(none, c.unpark()); // of 2
  });
  EXPECT_EQ(c.made, (std::vector<unsigned>{1, 2}));
}

// Real threads ---------------------------------------------------------------------

/// Blocks its thread until unparked; one unpark is remembered.
class parking_place {
 public:
  void park() {
    std::unique_lock held(mutex_);
    unparked_.wait(held, [this] { return token_; });
    token_ = false;
    ++parks_;
  }
  void unpark() {
    const std::lock_guard held(mutex_);
    token_ = true;
    unparked_.notify_one();
  }
  unsigned parks() {
    const std::lock_guard held(mutex_);
    return parks_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable unparked_;
  bool token_ = false;
  unsigned parks_ = 0;
};

/// Workers that share jobs, each of which is a number: so many further ones come of it.
class job_system {
  struct worker {
    std::mutex mutex;
    std::deque<int> jobs;
    std::atomic<std::size_t> size{0};
    parking_place place;
  };

  auto unpark() {
    return [this](unsigned worker) { workers_[worker]->place.unpark(); };
  }

 public:
  explicit job_system(unsigned workers) {
    for (unsigned i = 0; i < workers; ++i)
      workers_.push_back(std::make_unique<worker>());
    for (unsigned i = 0; i < workers; ++i)
      threads_.emplace_back([this, i] { work(i); });
  }
  ~job_system() {
    ending_.store(true, std::memory_order_seq_cst);
    for (auto& w : workers_)
      w->place.unpark();
    for (auto& t : threads_)
      t.join();
  }

  void add(unsigned to, int job) {
    worker& w = *workers_[to % workers_.size()];
    {
      const std::lock_guard held(w.mutex);
      w.jobs.push_back(job);
      w.size.store(w.jobs.size(), std::memory_order_seq_cst);
    }
    idle_.work_added(unpark());
  }
  void wait_until(std::size_t done) const {
    for (auto now = done_.load(); now != done; now = done_.load())
      done_.wait(now);
  }
  void wait_until_asleep() const {
    for (unsigned i = 0; i < workers_.size(); ++i)
      while (!idle_.sleeps(i))
        std::this_thread::yield();
  }
  [[nodiscard]] unsigned parks() const {
    unsigned sum = 0;
    for (const auto& w : workers_)
      sum += w->place.parks();
    return sum;
  }

 private:
  bool has_work() const {
    for (const auto& w : workers_)
      if (w->size.load(std::memory_order_seq_cst) != 0) return true;
    return false;
  }
  bool take(worker& from, int& job) {
    const std::lock_guard held(from.mutex);
    if (from.jobs.empty()) return false;
    job = from.jobs.front();
    from.jobs.pop_front();
    from.size.store(from.jobs.size(), std::memory_order_seq_cst);
    return true;
  }
  bool steal(unsigned thief, int& job) {
    for (unsigned i = 1; i <= workers_.size(); ++i)
      if (take(*workers_[(thief + i) % workers_.size()], job)) return true;
    return false;
  }
  void run(unsigned self, int job) {
    for (int child = 0; child < job; ++child)
      add(self, child);
    done_.fetch_add(1);
    done_.notify_all();
  }
  void work(unsigned self) {
    const auto any = [this] { return has_work() || ending_.load(std::memory_order_seq_cst); };
    while (true) {
      int job;
      while (take(*workers_[self], job))
        run(self, job);
      idle_.begin_search();
      while (true) {
        if (ending_.load(std::memory_order_seq_cst)) return idle_.end_search(none, unpark());
        if (steal(self, job)) {
          idle_.end_search(any, unpark());
          run(self, job);
          break;
        }
        const auto woke = idle_.sleep(self, any, [&] { workers_[self]->place.park(); });
        if (woke == idle::state::running) break;
      }
    }
  }

  idle idle_;
  std::vector<std::unique_ptr<worker>> workers_;
  std::atomic<std::size_t> done_{0};
  std::atomic<bool> ending_{false};
  std::vector<std::thread> threads_;
};

TEST(idle_workers, one_job_wakes_one_worker) {
  job_system jobs(8);
  unsigned most = 0;
  for (unsigned round = 1; round <= 200; ++round) {
    jobs.wait_until_asleep();
    const unsigned before = jobs.parks();
    jobs.add(round, 0);
    jobs.wait_until(round);
    jobs.wait_until_asleep();
    most = std::max(most, jobs.parks() - before);
  }
  // A token left by one round may end a park of the next, so two; but not eight.
  EXPECT_LE(most, 3u);
}

TEST(idle_workers, no_job_is_left_lying_while_workers_sleep) {
  job_system jobs(4);
  for (unsigned round = 1; round <= 20'000; ++round) {
    jobs.add(round, 0); // by one that is no worker; as they fall asleep
    jobs.wait_until(round);
  }
}

TEST(idle_workers, trees_of_jobs_from_several_threads_are_done_to_the_last) {
  // A job `n` comes to 2^n in all.
  job_system jobs(4);
  constexpr int depth = 8, trees = 40;
  std::vector<std::thread> producers;
  for (unsigned p = 0; p < 2; ++p)
    producers.emplace_back([&, p] {
      for (int i = 0; i < trees; ++i) {
        jobs.add(p, depth);
        if (i % 8 == 7) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  for (auto& p : producers)
    p.join();
  jobs.wait_until(std::size_t{2} * trees << depth);
}

} // namespace

// SPDX-License-Identifier: BSL-1.0
#include "weft/detail/sync_lock.hpp"

#include <memory>
#include <mutex>

#include "tests/sync/places.hpp"

namespace weft::test {
namespace {

using detail::sync_lock;

constinit sync_lock static_lock;

/// Two threads meet here without parking.
class start_line {
 public:
  explicit start_line(int parties) : missing_(parties) {}
  void wait() {
    --missing_;
    while (missing_ > 0)
      std::this_thread::yield();
  }

 private:
  std::atomic<int> missing_;
};

TEST(sync_lock, of_one_hub_and_of_none) {
  sync_lock of_hub, of_thread;
  spawn([&] {
    for (int i = 0; i < 3; ++i)
      const std::lock_guard held(of_hub);
  }).get();
  std::thread([&] {
    for (int i = 0; i < 3; ++i)
      const std::lock_guard held(of_thread);
  }).join();
}

class sync_lock_at : public testing::TestWithParam<place> {};
INSTANTIATE_TEST_SUITE_P(places, sync_lock_at, all_places, name_of);

TEST_P(sync_lock_at, excludes_others) {
  sync_lock lock;
  long count = 0;
  run_at(GetParam(), 4, [&](int party) {
    for (int i = 0; i < 20'000; ++i) {
      {
        const std::lock_guard held(lock);
        ++count;
      }
      if (i % 1000 == party) yield();
    }
    const std::lock_guard held(static_lock);
  });
  EXPECT_EQ(count, 80'000);
}

/// Threads that come to a new lock at the same moment: one of them makes it its hub's, or finds it
/// revoked, in whatever order.
void race(const std::vector<bool>& with_hub, int rounds) {
  std::vector<std::unique_ptr<sync_lock>> locks;
  std::vector<std::unique_ptr<start_line>> lines;
  std::vector<int> inside(static_cast<std::size_t>(rounds));
  for (int i = 0; i < rounds; ++i) {
    locks.push_back(std::make_unique<sync_lock>());
    lines.push_back(std::make_unique<start_line>(static_cast<int>(with_hub.size())));
  }
  const auto body = [&] {
    for (std::size_t i = 0; i < locks.size(); ++i) {
      lines[i]->wait();
      for (int j = 0; j < 20; ++j) {
        const std::lock_guard held(*locks[i]);
        EXPECT_EQ(++inside[i], 1);
        --inside[i];
      }
    }
  };
  std::vector<std::thread> threads;
  for (const bool hub : with_hub)
    threads.emplace_back([&body, hub] { hub ? spawn(body).get() : body(); });
  for (auto& t : threads)
    t.join();
}

TEST(sync_lock, a_hub_and_a_bare_thread_come_at_once) {
  race({true, false}, 1000);
}

TEST(sync_lock, two_hubs_come_at_once) {
  race({true, true}, 1000);
}

TEST(sync_lock, two_hubs_and_two_bare_threads_come_at_once) {
  race({true, true, false, false}, 300);
}

// The owner is in the middle of taking and leaving it, ever again, when another comes.
TEST(sync_lock, is_revoked_while_its_owner_uses_it) {
  for (int round = 0; round < 200; ++round) {
    sync_lock lock;
    long count = 0;
    std::atomic<bool> begun{false};
    std::thread owner([&] {
      spawn([&] {
        for (int i = 0; i < 2000; ++i) {
          const std::lock_guard held(lock);
          ++count;
          begun.store(true, std::memory_order_relaxed);
        }
      }).get();
    });
    while (!begun.load(std::memory_order_relaxed))
      std::this_thread::yield();
    for (int i = 0; i < 50; ++i) {
      const std::lock_guard held(lock);
      ++count;
    }
    owner.join();
    EXPECT_EQ(count, 2050);
  }
}

TEST(sync_lock, outlives_the_hub_it_belonged_to) {
  sync_lock lock;
  long count = 0;
  for (int i = 0; i < 20; ++i) // the next hub may have the address of the one before
    std::thread([&] {
      spawn([&] {
        const std::lock_guard held(lock);
        ++count;
      }).get();
    }).join();
  const std::lock_guard held(lock);
  EXPECT_EQ(count, 20);
}

} // namespace
} // namespace weft::test

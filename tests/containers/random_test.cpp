// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "tests/sync/places.hpp"

using namespace weft::test;

namespace {

/// Random operations of several parties, who cancel each other and run out of time; each item is a
/// number that its maker counts up. At the end every item that was put in has come out once.
class random_party {
 public:
  static constexpr int parties = 6;
  static constexpr int operations = 10'000;

  random_party(unsigned seed, place where) : seed_(seed), where_(where) {}
  virtual ~random_party() = default;

  void run() {
    run_at(where_, parties, [this](int party) { work(party); });
    std::vector<int> rest;
    drain(rest);
    for (const int item : rest)
      ++out_[item];
    EXPECT_EQ(in_, out_);
    EXPECT_GT(in_.size(), static_cast<std::size_t>(operations / 20));
  }

 protected:
  struct worker {
    int number = 0;
    std::mt19937 random;
    int made = 0;
    std::vector<int> in, out;

    int pick(int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); }
    int item() { return number * operations + made; }
    void put(bool done) {
      if (done) in.push_back(item());
      ++made;
    }
    void got(std::optional<int> item) {
      if (item) out.push_back(*item);
    }
    auto limit() { return std::chrono::microseconds(pick(60)); }
  };

  virtual void one(worker& w) = 0;
  virtual void drain(std::vector<int>& rest) = 0;

 private:
  void work(int party) {
    worker w;
    w.number = party;
    w.random.seed(seed_ * 1000 + static_cast<unsigned>(party));
    const weft::any_task self = weft::current();
    announce(party, self);
    for (int i = 0; i < operations / parties; ++i) {
      try {
        if (w.pick(20) == 0) cancel_another(w.pick(parties));
        if (w.pick(50) == 0) weft::yield();
        if (self.valid() && w.pick(4) == 0) {
          const weft::timeout_scope patience{w.limit()};
          one(w);
        } else {
          one(w);
        }
      } catch (const weft::cancelled&) {
      } catch (const weft::timeout_expired&) {
      }
      // What was cut off was not done; a number is not used twice.
      ++w.made;
    }
    announce(party, {});
    const std::lock_guard held(mutex_);
    for (const int item : w.in)
      ++in_[item];
    for (const int item : w.out)
      ++out_[item];
  }

  void announce(int party, const weft::any_task& self) {
    const std::lock_guard held(mutex_);
    running_[party] = self;
  }
  void cancel_another(int party) {
    weft::any_task other;
    {
      const std::lock_guard held(mutex_);
      other = running_[party];
    }
    other.cancel();
  }

  unsigned seed_;
  place where_;
  std::mutex mutex_;
  std::map<int, weft::any_task> running_;
  std::map<int, int> in_, out_; // how often each item was
};

template <class Queue>
class random_queue : public random_party {
 public:
  using random_party::random_party;

 private:
  void one(worker& w) override {
    switch (w.pick(7)) {
    case 0:
      return w.put(q_.try_put(w.item()));
    case 1:
    case 2:
      return w.put(q_.put(w.item(), w.limit()));
    case 3:
      return w.got(q_.try_get());
    case 4:
    case 5:
      return w.got(q_.get(w.limit()));
    case 6:
      static_cast<void>(q_.peek(w.limit()));
    }
  }
  void drain(std::vector<int>& rest) override {
    const std::size_t left = q_.size();
    while (const auto item = q_.try_get())
      rest.push_back(*item);
    EXPECT_EQ(rest.size(), left);
  }

  Queue q_{3};
};

class random_channels : public random_party {
 public:
  using random_party::random_party;

 private:
  void one(worker& w) override {
    weft::channel<int>& c = w.pick(2) ? a_ : b_;
    const auto take = [&](std::optional<int> item) { w.got(item); };
    switch (w.pick(9)) {
    case 0:
      return w.put(c.try_send(w.item()));
    case 1:
    case 2:
      return w.put(c.send(w.item(), w.limit()));
    case 3:
      return w.got(c.try_receive());
    case 4:
    case 5:
      return w.got(c.receive(w.limit()));
    case 6:
      weft::select(w.limit(), weft::on_receive(b_, take), weft::on_receive(a_, take));
      return;
    case 7: {
      const auto chosen = weft::select(w.limit(), weft::on_send(a_, w.item()),
                                       weft::on_receive(b_, take), weft::on_send(b_, w.item()));
      return w.put(chosen && *chosen != 1);
    }
    case 8:
      weft::try_select(weft::on_receive(b_, take), weft::on_receive(a_, take));
    }
  }
  void drain(std::vector<int>& rest) override {
    for (weft::channel<int>* c : {&a_, &b_})
      while (const auto item = c->try_receive())
        rest.push_back(*item);
  }

  weft::channel<int> a_;
  weft::channel<int> b_{2};
};

using seed_and_place = std::tuple<unsigned, place>;

class random_model : public testing::TestWithParam<seed_and_place> {
 protected:
  template <class Party>
  static void ten_thousand() {
    const auto [seed, where] = GetParam();
    SCOPED_TRACE("seed " + std::to_string(seed));
    Party(seed, where).run();
  }
};

TEST_P(random_model, queue) {
  ten_thousand<random_queue<weft::queue<int>>>();
}
TEST_P(random_model, lifo_queue) {
  ten_thousand<random_queue<weft::lifo_queue<int>>>();
}
TEST_P(random_model, priority_queue) {
  ten_thousand<random_queue<weft::priority_queue<int>>>();
}
TEST_P(random_model, channels_and_select) {
  ten_thousand<random_channels>();
}

INSTANTIATE_TEST_SUITE_P(seeds, random_model,
                         testing::Combine(testing::Values(1u, 2u, 20261u), all_places),
                         [](const testing::TestParamInfo<seed_and_place>& info) {
                           const testing::TestParamInfo<place> where(std::get<1>(info.param), 0);
                           return name_of(where) + "_seed_" +
                                  std::to_string(std::get<0>(info.param));
                         });

} // namespace

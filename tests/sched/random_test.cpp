// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "weft/weft.hpp"

using namespace std::chrono_literals;

namespace {

/// Random operations on tasks and promises, from many fibers at once, against a model which knows
/// what each outcome has to be.
class random_operations {
 public:
  explicit random_operations(unsigned seed) : random_(seed) {}

  void run(int operations, int fibers) {
    operations_left_ = operations;
    std::vector<weft::task<void>> workers;
    for (int i = 0; i < fibers; ++i)
      workers.push_back(weft::spawn([this] { work(); }));
    for (auto& w : workers)
      w.get();
    for (auto& [id, s] : subjects_)
      finish(s);
    for (auto& [id, s] : subjects_)
      check(s);
    EXPECT_EQ(callbacks_due_, callbacks_run_);
    EXPECT_TRUE(weft::all_tasks().empty());
  }

 private:
  enum class kind { value, error, endless, forgiving, promise };

  struct subject {
    kind what = kind::value;
    int value = 0;
    bool cancel_accepted = false;
    bool set = false;
    bool started = false;
    bool promise_cancelled = false;
    weft::future<int> future;
    weft::any_task task;
    std::shared_ptr<weft::promise<int>> promise;
  };

  int pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  void work() {
    while (operations_left_-- > 0)
      one();
  }

  void one() {
    switch (pick(9)) {
    case 0:
    case 1:
      return make();
    case 2:
      return cancel(any());
    case 3:
      return wait(any());
    case 4:
      return read(any());
    case 5:
      return set(any());
    case 6:
      return weft::yield();
    case 7:
      return join_several();
    case 8:
      return add_callback(any());
    }
  }

  void make() {
    const int id = next_++;
    subject& s = subjects_[id];
    s.what = static_cast<kind>(pick(5));
    s.value = id;
    if (s.what == kind::promise) {
      s.promise = std::make_shared<weft::promise<int>>();
      s.future = s.promise->get_future();
      return;
    }
    const int pauses = pick(4);
    auto body = [this, id, pauses]() -> int {
      subject& own = subjects_.at(id);
      own.started = true;
      try {
        for (int i = 0; i < pauses || own.what == kind::endless; ++i)
          i % 2 ? weft::sleep(std::chrono::microseconds(pauses * 50)) : weft::yield();
      } catch (const weft::cancelled&) {
        if (own.what != kind::forgiving) throw;
      }
      if (own.what == kind::error) throw std::out_of_range(std::to_string(own.value));
      return own.value;
    };
    auto t = pick(4) ? weft::spawn(body) : weft::spawn_later(200us, body);
    s.future = t;
    s.task = t;
  }

  subject* any() {
    if (subjects_.empty()) return nullptr;
    auto it = subjects_.lower_bound(pick(next_));
    return it == subjects_.end() ? nullptr : &it->second;
  }

  void cancel(subject* s) {
    if (!s) return;
    const bool done = s->future.done();
    const bool accepted = s->future.cancel();
    EXPECT_EQ(accepted, !done);
    if (accepted) (s->promise ? s->promise_cancelled : s->cancel_accepted) = true;
    if (s->promise) {
      EXPECT_TRUE(s->future.done());
    }
  }

  void wait(subject* s) {
    if (!s) return;
    const auto limit = std::chrono::microseconds(pick(300));
    const auto f = s->future;
    const bool told = f.wait_for(limit);
    EXPECT_EQ(told, f.done());
  }

  void read(subject* s) {
    if (!s || !s->future.done()) return;
    check(*s);
  }

  void set(subject* s) {
    if (!s || !s->promise) return;
    if (s->future.done()) {
      EXPECT_THROW(s->promise->set_value(-1), weft::future_error);
      return;
    }
    s->promise->set_value(s->value);
    s->set = true;
    EXPECT_TRUE(s->future.done());
  }

  void add_callback(subject* s) {
    if (!s) return;
    ++callbacks_due_;
    s->future.add_done_callback([this](const weft::future<int>& f) {
      EXPECT_TRUE(f.done());
      ++callbacks_run_;
    });
  }

  void join_several() {
    std::vector<weft::future<int>> some;
    for (int i = pick(6); i > 0; --i)
      if (subject* s = any()) some.push_back(s->future);
    const std::size_t count = some.empty() ? 0 : 1 + static_cast<std::size_t>(pick(6));
    const auto done =
        weft::joinall(some, {.timeout = std::chrono::microseconds(pick(400)), .count = count});
    EXPECT_LE(done.size(), some.size());
    EXPECT_LE(done.size(), count);
    for (const auto& f : done)
      EXPECT_TRUE(f.done());
  }

  void finish(subject& s) {
    if (s.promise && !s.future.done()) set(&s);
    if (s.what == kind::endless && !s.future.done()) cancel(&s);
    s.future.wait();
    weft::yield();
  }

  void check(subject& s) {
    if (s.promise) {
      EXPECT_NE(s.set, s.promise_cancelled);
      EXPECT_EQ(s.future.was_cancelled(), s.promise_cancelled);
      if (s.set) {
        EXPECT_EQ(s.future.get(), s.value);
      }
      return;
    }
    if (s.future.was_cancelled()) {
      EXPECT_TRUE(s.cancel_accepted);
      EXPECT_THROW(s.future.get(), weft::task_cancelled);
      EXPECT_TRUE(s.what != kind::forgiving || !s.started);
      return;
    }
    EXPECT_TRUE(s.started);
    EXPECT_NE(s.what, kind::endless);
    if (s.what == kind::error) {
      EXPECT_THROW(s.future.get(), std::out_of_range);
    } else {
      EXPECT_EQ(s.future.get(), s.value);
    }
  }

  std::mt19937 random_;
  int operations_left_ = 0;
  int next_ = 0;
  int callbacks_due_ = 0;
  int callbacks_run_ = 0;
  std::map<int, subject> subjects_;
};

class random_model : public testing::TestWithParam<unsigned> {};

TEST_P(random_model, ten_thousand_operations) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  random_operations(GetParam()).run(10'000, 8);
}

INSTANTIATE_TEST_SUITE_P(seeds, random_model, testing::Values(1u, 2u, 3u, 20260u));

} // namespace

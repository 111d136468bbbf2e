// SPDX-License-Identifier: BSL-1.0
#include "tests/stress/tokens/crowd.hpp"

#include "tests/stress/chance.hpp"
#include "tests/stress/tokens/check.hpp"
#include "tests/stress/tokens/clock.hpp"
#include "tests/stress/tokens/mailbox.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

namespace tokens {
namespace {

using stress::mixed;

constexpr std::size_t stack_size = 64 * 1024;
constexpr std::uint64_t fault_at = 5; // the hop of the first token that goes wrong
thread_local std::uint64_t own_hops = 0;

/// Where the members of a barrier meet. `hands` are the tokens of this round and of the next.
struct meeting {
  pthread_barrier_t barrier;
  std::vector<message> hands[2];
  std::atomic<std::uint64_t> last_round{~std::uint64_t{0}};
  std::atomic<std::uint64_t> serial{0}; // how often a thread was told that it is the one
};

class performance {
 public:
  performance(board& shown, const plan& all, fault wanted)
      : shown_(shown), plan_(all), fault_(wanted), members_(all.ways.size()),
        meetings_(all.groups.size()) {
    sem_init(&all_home_, 0, 0);
  }
  ~performance() {
    for (const auto& each : meetings_)
      if (each) pthread_barrier_destroy(&each->barrier);
    sem_destroy(&all_home_);
  }

  outcome play(double seconds);

 private:
  struct member {
    performance* in = nullptr;
    int number = 0;
    pthread_t id{};
    std::unique_ptr<mailbox> box;
  };

  static void* live(void* argument);
  void pass_on(int me);
  void meet(int me);
  /// True if the token goes on.
  bool take(message& m, int me, bool last);
  void hand(message m, int to);
  void make(const group& g);
  void hand_out(const group& g);
  void wait_for_all();
  void join(outcome& result);
  void check(outcome& result);
  [[nodiscard]] bool is_time() const { return over_.load(std::memory_order_relaxed); }

  board& shown_;
  const plan& plan_;
  const fault fault_;
  std::vector<member> members_;
  std::vector<std::unique_ptr<meeting>> meetings_; // of those groups that have barriers
  std::atomic<bool> over_{false};
  sem_t all_home_;
};

void* performance::live(void* argument) {
  const member& self = *static_cast<member*>(argument);
  performance& in = *self.in;
  ++in.shown_.begun;
  own_hops = 0;
  if (self.box)
    in.pass_on(self.number);
  else
    in.meet(self.number);
  if (in.fault_ == fault::linger && self.number == 0)
    for (;;)
      pause();
  return reinterpret_cast<void*>(own_hops);
}

bool performance::take(message& m, int me, bool last) {
  const group& g = plan_.of_thread(me);
  if (m.token < g.first_token || m.token >= g.first_token + g.tokens)
    fail("a token that was never made, at " + plan_.place(me));
  ++own_hops;
  ++m.hops;
  m.path = extended(m.path, me - g.first);
  auto& count = shown_.hops[me];
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  token_record& record = shown_.tokens[m.token];
  record.taken_by.store(me, std::memory_order_relaxed);
  record.hops.store(m.hops, std::memory_order_relaxed);
  if (!last) return true;
  record.path = m.path;
  if (record.state.exchange(token_record::home) != token_record::travelling)
    fail("token " + std::to_string(m.token) + " came home twice, at " + plan_.place(me));
  if (++shown_.home == plan_.tokens) sem_post(&all_home_);
  return false;
}

void performance::hand(message m, int to) {
  const bool fails = m.token == 0 && m.hops == fault_at && fault_ != fault::none;
  shown_.tokens[m.token].given_to.store(to, std::memory_order_relaxed);
  if (fails && fault_ == fault::drop) return;
  if (fails && fault_ == fault::copy) members_[static_cast<std::size_t>(to)].box->put(m);
  if (const group& g = plan_.of_thread(to); fails && fault_ == fault::stray)
    to = g.first + (to - g.first + 1) % g.size;
  members_[static_cast<std::size_t>(to)].box->put(m);
}

void performance::pass_on(int me) {
  const group& g = plan_.of_thread(me);
  mailbox& mine = *members_[static_cast<std::size_t>(me)].box;
  for (;;) {
    message m = mine.take();
    if (m.token == the_end) return;
    if (!take(m, me, is_time() || (plan_.hops != 0 && m.hops + 1 == plan_.hops))) continue;
    if (plan_.hops == 0 && m.path % 512 == 0) usleep(static_cast<unsigned>(m.path / 512 % 3000));
    hand(m, g.first + g.next(me - g.first, m.path, m.hops));
  }
}

void performance::meet(int me) {
  const group& g = plan_.of_thread(me);
  meeting& here = *meetings_[static_cast<std::size_t>(&g - plan_.groups.data())];
  for (std::uint64_t round = 1;; ++round) {
    // All are told the same: the first says it before it comes to the barrier.
    if (me == g.first && (is_time() || round + 1 == plan_.hops)) here.last_round = round;
    message m = here.hands[round % 2][static_cast<std::size_t>(me - g.first)];
    if (m.hops + 1 != round) fail("a token of another round, at " + plan_.place(me));
    take(m, me, false);
    const int to = g.next(me - g.first, m.path, m.hops);
    shown_.tokens[m.token].given_to.store(g.first + to, std::memory_order_relaxed);
    here.hands[(round + 1) % 2][static_cast<std::size_t>(to)] = m;
    const int met = pthread_barrier_wait(&here.barrier);
    if (met == PTHREAD_BARRIER_SERIAL_THREAD)
      ++here.serial;
    else if (met != 0)
      fail(std::string("pthread_barrier_wait: ") + std::strerror(met));
    if (round < here.last_round.load(std::memory_order_relaxed)) continue;
    message last = here.hands[(round + 1) % 2][static_cast<std::size_t>(me - g.first)];
    take(last, me, true);
    return;
  }
}

void performance::make(const group& g) {
  if (g.form == shape::barrier) {
    auto& here = meetings_[static_cast<std::size_t>(&g - plan_.groups.data())];
    here = std::make_unique<meeting>();
    pthread_barrier_init(&here->barrier, nullptr, static_cast<unsigned>(g.size));
    for (auto& hand : here->hands)
      hand.assign(static_cast<std::size_t>(g.size), {the_end, 0, 0});
    for (int i = 0; i < g.size; ++i) {
      here->hands[1][static_cast<std::size_t>(i)].token = g.first_token + i;
      shown_.tokens[g.first_token + i].state = token_record::travelling;
      shown_.tokens[g.first_token + i].given_to = g.first + i;
    }
  }
  for (int i = g.first; i < g.first + g.size; ++i)
    members_[static_cast<std::size_t>(i)].box = make_mailbox(
        plan_.ways[static_cast<std::size_t>(i)], mixed(g.seed - static_cast<std::uint64_t>(i)));
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_size);
  for (int i = g.first; i < g.first + g.size; ++i) {
    member& self = members_[static_cast<std::size_t>(i)];
    self.in = this;
    self.number = i;
    const int result = pthread_create(&self.id, &attributes, live, &self);
    if (result != 0)
      fail("thread " + std::to_string(i) + " could not be made: " + std::strerror(result));
    ++shown_.made;
  }
  pthread_attr_destroy(&attributes);
}

void performance::hand_out(const group& g) {
  if (g.form == shape::barrier) return; // has them from the beginning
  for (int i = 0; i < g.tokens; ++i) {
    shown_.tokens[g.first_token + i].state = token_record::travelling;
    hand({g.first_token + i, 0, 0}, g.first + g.start(i));
  }
}

void performance::wait_for_all() {
  while (sem_wait(&all_home_) != 0)
    if (errno != EINTR) fail("sem_wait");
}

void performance::join(outcome& result) {
  for (member& each : members_) {
    if (each.box) each.box->put({the_end, 0, 0});
    void* hops = nullptr;
    const int joined = pthread_join(each.id, &hops);
    if (joined != 0) fail("pthread_join: " + std::string(std::strerror(joined)));
    ++shown_.joined;
    result.hops.push_back(reinterpret_cast<std::uint64_t>(hops));
  }
}

void performance::check(outcome& result) {
  for (const member& each : members_)
    if (each.box && !each.box->empty())
      result.mistakes.push_back(plan_.place(each.number) + " was handed more than it took");
  for (std::size_t i = 0; i < meetings_.size(); ++i)
    if (meetings_[i] && meetings_[i]->serial != meetings_[i]->last_round)
      result.mistakes.push_back("the barrier of group " + std::to_string(i) + " chose a thread " +
                                std::to_string(meetings_[i]->serial) + " times in " +
                                std::to_string(meetings_[i]->last_round) + " rounds");
  go_again(shown_, plan_, result.hops, result.mistakes);
}

outcome performance::play(double seconds) {
  outcome result;
  shown_.now = phase::making;
  double begun = now();
  for (const group& g : plan_.groups) {
    make(g);
    if (&g == &plan_.groups.front() && g.form != shape::barrier) begun = now();
    hand_out(g); // while the others are still being made
  }
  shown_.now = phase::running;
  if (plan_.hops == 0) {
    const double end = now() + seconds;
    for (double left = seconds; left > 0; left = end - now()) {
      usleep(static_cast<unsigned>(std::min(left, 0.9) * 1e6));
      ++shown_.naps;
    }
    over_ = true;
    shown_.now = phase::gathering;
  }
  wait_for_all();
  result.seconds = now() - begun;
  shown_.now = phase::joining;
  join(result);
  shown_.now = phase::checking;
  check(result);
  return result;
}

} // namespace

outcome play(board& shown, const plan& all, double seconds, fault wanted) {
  return performance(shown, all, wanted).play(seconds);
}

} // namespace tokens

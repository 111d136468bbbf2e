// SPDX-License-Identifier: BSL-1.0
#include <mutex>

#include "tests/semantics/blocking_calls.hpp"

using weft::detail::blocking_call;

namespace blocking {
namespace {

/// Something that a fiber holds for as long as this exists: `f(thing)` is called in that fiber.
template <class Thing>
class held_by_another {
 public:
  template <class F>
  explicit held_by_another(F hold) {
    holder_ = weft::spawn([this, hold] {
      hold(thing);
      weft::sleep(std::chrono::hours(1));
    });
    weft::yield();
  }
  held_by_another(const held_by_another&) = delete;
  held_by_another& operator=(const held_by_another&) = delete;
  ~held_by_another() { holder_.kill(); }

  Thing thing;

 private:
  weft::task<void> holder_;
};

template <class Mutex>
struct locked : held_by_another<Mutex> {
  locked() : held_by_another<Mutex>([](Mutex& m) { m.lock(); }) {}
};

template <class Mutex>
std::vector<variant> mutex_variants(blocking_call call, const std::string& name) {
  return {
      {call, name,
       [] {
         return in<locked<Mutex>>(
             [](auto& world) { world.thing.lock(); },
             [](auto& world, weft::deadline limit) { return world.thing.lock(limit); });
       }},
      {call, name + "_until", [] {
         return in<locked<Mutex>>(
             [](auto& world) { const std::unique_lock held(world.thing, std::chrono::hours(1)); },
             [](auto& world, weft::deadline limit) {
               return world.thing.try_lock_until(std::chrono::steady_clock::time_point(
                   std::chrono::nanoseconds(limit.absolute())));
             });
       }}};
}

template <class Semaphore>
variant semaphore_variant(const std::string& name) {
  struct taken {
    Semaphore permits{1};
    taken() { permits.acquire(); }
  };
  return {blocking_call::semaphore_acquire, name, [] {
            return in<taken>(
                [](taken& t) { t.permits.acquire(); },
                [](taken& t, weft::deadline limit) { return t.permits.acquire(limit); });
          }};
}

struct condition {
  weft::mutex mutex;
  weft::condition_variable changed;
};

std::vector<variant> condition_variants(blocking_call call) {
  return {{call, "condition_wait",
           [] {
             return in<condition>(
                 [](condition& c) {
                   std::unique_lock held(c.mutex);
                   c.changed.wait(held);
                 },
                 [](condition& c, weft::deadline limit) {
                   std::unique_lock held(c.mutex);
                   return c.changed.wait(held, limit);
                 });
           }},
          {call, "condition_wait_predicate", [] {
             return in<condition>(
                 [](condition& c) {
                   std::unique_lock held(c.mutex);
                   c.changed.wait(held, [] { return false; });
                 },
                 [](condition& c, weft::deadline limit) {
                   std::unique_lock held(c.mutex);
                   return c.changed.wait(held, limit, [] { return false; });
                 });
           }}};
}

std::vector<variant> shared_variants(blocking_call call) {
  return {{call, "shared_mutex_lock_shared", [] {
             return in<locked<weft::shared_mutex>>(
                 [](auto& world) { world.thing.lock_shared(); },
                 [](auto& world, weft::deadline limit) { return world.thing.lock_shared(limit); });
           }}};
}

std::vector<variant> barrier_variants(blocking_call call) {
  struct of_two {
    weft::barrier<> barrier{2};
  };
  return {{call, "barrier_arrive_and_wait",
           [] {
             return in<of_two>(
                 [](of_two& b) { b.barrier.arrive_and_wait(); },
                 [](of_two& b, weft::deadline limit) { return b.barrier.arrive_and_wait(limit); });
           }},
          {call, "barrier_wait", [] {
             struct arrived : of_two {
               weft::barrier<>::arrival_token token = barrier.arrive();
             };
             return in<arrived>(
                 [](arrived& b) { b.barrier.wait(std::move(b.token)); },
                 [](arrived& b, weft::deadline limit) { return b.barrier.wait(b.token, limit); });
           }}};
}

std::vector<variant> latch_variants(blocking_call call) {
  struct of_two {
    weft::latch latch{2};
  };
  return {{call, "latch_wait",
           [] {
             return in<of_two>([](of_two& l) { l.latch.wait(); },
                               [](of_two& l, weft::deadline limit) { return l.latch.wait(limit); });
           }},
          {call, "latch_arrive_and_wait",
           [] { return in<of_two>([](of_two& l) { l.latch.arrive_and_wait(); }, nullptr); },
           false}};
}

std::vector<variant> once_variants(blocking_call call) {
  struct under_way : held_by_another<weft::once_flag> {
    under_way()
        : held_by_another([](weft::once_flag& flag) {
            weft::call_once(flag, [] { weft::sleep(std::chrono::hours(1)); });
          }) {}
  };
  return {
      {call, "call_once",
       [] { return in<under_way>([](under_way& w) { weft::call_once(w.thing, [] {}); }, nullptr); },
       false}};
}

} // namespace

std::vector<variant> sync_variants(blocking_call call) {
  switch (call) {
  case blocking_call::mutex_lock:
    return mutex_variants<weft::mutex>(call, "mutex_lock");
  case blocking_call::recursive_mutex_lock:
    return mutex_variants<weft::recursive_mutex>(call, "recursive_mutex_lock");
  case blocking_call::shared_mutex_lock:
    return mutex_variants<weft::shared_mutex>(call, "shared_mutex_lock");
  case blocking_call::shared_mutex_lock_shared:
    return shared_variants(call);
  case blocking_call::barrier_wait:
    return barrier_variants(call);
  case blocking_call::latch_wait:
    return latch_variants(call);
  case blocking_call::call_once:
    return once_variants(call);
  case blocking_call::semaphore_acquire:
    return {semaphore_variant<weft::semaphore>("semaphore_acquire"),
            semaphore_variant<weft::bounded_semaphore>("bounded_semaphore_acquire")};
  case blocking_call::event_wait:
    return {{call, "event_wait", [] {
               return in<weft::event>(
                   [](weft::event& e) { e.wait(); },
                   [](weft::event& e, weft::deadline limit) { return e.wait(limit); });
             }}};
  case blocking_call::condition_wait:
    return condition_variants(call);
  default:
    return {};
  }
}

} // namespace blocking

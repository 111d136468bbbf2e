// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::core {

/// Which of several workers sleep, and which of them is woken when there is work that any may
/// take. How workers block, and where work is kept, is the caller's: they come as callables. Two
/// words, no lock, no allocation; safe in a signal handler.
///
/// A worker is always in one of these states, of which the first is all that its own work needs:
///
///   running    it has work of its own
///   searching  it has none and looks for shared work; counted in `searching_`
///   sleeping   it has found none: its bit in `sleepers_` is set, and it parks
///   called     it slept, and somebody took its bit, counted it as searching and unparks it
///
///   running   -> searching  begin_search
///   searching -> running    end_search: it took something, or has work of its own again
///   searching -> sleeping   sleep
///   sleeping  -> called     work_added, or end_search, of another worker or of any thread
///   called    -> searching  sleep returns
///   sleeping  -> searching  sleep returns, having seen work after it set its bit
///   sleeping  -> running    sleep returns: unparked for what is its own, a deadline, an event
///
/// No wake-up is lost. Whoever adds shared work publishes it and then looks for searchers and
/// sleepers; who goes to sleep sets its bit, stops being a searcher, and then looks for work. All
/// of these are sequentially consistent, the caller's publishing and `has_work` included, so one of
/// the two sees the other. Work that nobody was woken for, since somebody searched, is seen by
/// that searcher: it finds it, or looks for it once more on its way to sleep, or, if it leaves with
/// something else and was the last, wakes the next.
///
/// No herd is woken: nobody is called while anybody searches. One that is called and finds more
/// than it takes calls the next one, so that workers come as fast as work for them is there.
///
/// tests/model/idle.pml is a model of this, and of how hub_group uses it, with the same names: Spin
/// tries all orders of its steps. Whoever changes a step here changes it there. The model is
/// sequentially consistent, and fair for that only as long as what is said above of the memory
/// orders holds.
///
/// What is meant for one worker alone is not a matter of this class: give it to that worker, and
/// then unpark it if `sleeps(worker)`. `park` has to look for such things itself.
template <unsigned most>
class idle_workers {
 public:
  enum class state : std::uint8_t { running, searching, sleeping, called };

  static constexpr unsigned most_workers = most;

  /// For workers 0 to `workers` - 1. What is looked at, often, are as many words as those need.
  constexpr explicit idle_workers(unsigned workers = most) noexcept
      : words_used_((workers + 63) / 64) {}

  /// running -> searching.
  void begin_search() noexcept { searching_.fetch_add(1, std::memory_order_seq_cst); }

  /// searching -> running. `has_work()` says whether there is shared work (left); `unpark(worker)`
  /// ends a worker's park, or its next one if it is not there yet. Calls at most one.
  template <class HasWork, class Unpark>
  void end_search(HasWork&& has_work, Unpark&& unpark) noexcept {
    if (searching_.fetch_sub(1, std::memory_order_seq_cst) == 1 && has_work()) work_added(unpark);
  }

  /// searching -> sleeping, and on to what is returned: `searching`, or `running` if the park ended
  /// for a reason of the worker's own. `park()` blocks the worker until it is unparked, or for as
  /// long as it likes; it may end for no reason. An unpark may come later than the call that it
  /// belongs to has returned.
  template <class HasWork, class Park>
  state sleep(unsigned worker, HasWork&& has_work, Park&& park) noexcept {
    word_of(worker).fetch_or(bit_of(worker), std::memory_order_seq_cst);
    searching_.fetch_sub(1, std::memory_order_seq_cst);
    const bool seen = has_work();
    if (!seen) park();
    if (!take(worker)) return state::searching; // called: whoever did has counted it
    if (!seen) return state::running;
    begin_search();
    return state::searching;
  }

  /// After shared work was published, by any thread: calls a worker unless one searches. Prefers
  /// `preferred` (whose cache the work is in), then the first ones, so that those that are not
  /// needed sleep on. Says whether it called one.
  template <class Unpark>
  bool work_added(Unpark&& unpark, unsigned preferred = most) noexcept {
    while (anybody_sleeps() && searching_.load(std::memory_order_seq_cst) == 0) {
      std::uint32_t none = 0;
      if (!searching_.compare_exchange_strong(none, 1, std::memory_order_seq_cst)) return false;
      if (const unsigned called = take_any(preferred); called != most) {
        unpark(called);
        return true;
      }
      // Nobody slept any more. But others may have left new work to the searcher that was counted
      // here, and a worker may have gone to sleep before that work came: look again.
      searching_.fetch_sub(1, std::memory_order_seq_cst);
    }
    return false;
  }

  [[nodiscard]] bool sleeps(unsigned worker) const noexcept {
    return (words_[worker / 64].load(std::memory_order_seq_cst) & bit_of(worker)) != 0;
  }
  [[nodiscard]] bool anybody_sleeps() const noexcept {
    for (unsigned i = 0; i < words_used_; ++i)
      if (words_[i].load(std::memory_order_seq_cst) != 0) return true;
    return false;
  }
  /// How many search, those that are called included.
  [[nodiscard]] std::uint32_t searching() const noexcept {
    return searching_.load(std::memory_order_relaxed);
  }

  /// Everybody is running: in a forked child, for the one that is left.
  void reset() noexcept {
    for (auto& word : words_)
      word.store(0, std::memory_order_relaxed);
    searching_.store(0, std::memory_order_relaxed);
  }

 private:
  static_assert(most > 0);

  static constexpr std::uint64_t bit_of(unsigned worker) noexcept {
    return std::uint64_t{1} << (worker % 64);
  }
  std::atomic<std::uint64_t>& word_of(unsigned worker) noexcept { return words_[worker / 64]; }

  /// Clears the worker's bit: whoever does so decides what it is now.
  bool take(unsigned worker) noexcept {
    const std::uint64_t bit = bit_of(worker);
    return (word_of(worker).fetch_and(~bit, std::memory_order_seq_cst) & bit) != 0;
  }
  /// `most` if nobody sleeps.
  unsigned take_any(unsigned preferred) noexcept {
    if (preferred < most && sleeps(preferred) && take(preferred)) return preferred;
    for (unsigned i = 0; i < words_used_; ++i) {
      auto& word = words_[i];
      while (const std::uint64_t sleepers = word.load(std::memory_order_seq_cst)) {
        const auto worker = i * 64 + static_cast<unsigned>(__builtin_ctzll(sleepers));
        if (take(worker)) return worker;
      }
    }
    return most;
  }

  alignas(64) std::atomic<std::uint64_t> words_[(most + 63) / 64]{}; // sleepers, a bit each
  std::atomic<std::uint32_t> searching_{0};
  const unsigned words_used_;
};

} // namespace weft::core

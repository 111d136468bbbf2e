// SPDX-License-Identifier: BSL-1.0
#include "runtime/process/reaper.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <mutex>
#include <new>
#include <system_error>
#include <vector>

#include "runtime/core/sys.hpp"
#include "runtime/process/child.hpp"
#include "runtime/sched/helper_thread.hpp"

namespace weft::detail {
namespace {

constexpr int idle_milliseconds = 1000;

class reaper {
 public:
  /// Never destroyed: its thread may outlive static objects.
  static reaper& instance() {
    static reaper& one = *new reaper;
    return one;
  }

  void add(std::shared_ptr<child> c) {
    const std::lock_guard held(mutex_);
    fresh_.push_back(std::move(c));
    if (running_) return core::sys::event_signal(event_.get());
    if (!event_) event_.reset(core::sys::event_create());
    if (!event_) throw std::system_error(EMFILE, std::generic_category());
    start_helper_thread([this] { run(); });
    running_ = true;
  }

 private:
  reaper() {
    ::pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                     [] { instance().reset_in_child(); });
  }

  void run() {
    std::vector<std::shared_ptr<child>> watched;
    std::vector<pollfd> polled;
    while (take_fresh(watched)) {
      polled.assign(1, {event_.get(), POLLIN, 0});
      for (const auto& c : watched)
        polled.push_back({c->end_descriptor(), POLLIN, 0});
      const int found =
          ::poll(polled.data(), polled.size(), watched.empty() ? idle_milliseconds : -1);
      core::sys::event_clear(event_.get());
      if (found == 0 && watched.empty() && stop_if_idle()) return;
      std::size_t i = 0;
      std::erase_if(watched,
                    [&](const auto& c) { return polled[++i].revents != 0 && is_gone(*c); });
    }
  }

  bool take_fresh(std::vector<std::shared_ptr<child>>& watched) {
    const std::lock_guard held(mutex_);
    watched.insert(watched.end(), fresh_.begin(), fresh_.end());
    fresh_.clear();
    return true;
  }
  bool stop_if_idle() {
    const std::lock_guard held(mutex_);
    running_ = !fresh_.empty();
    return !running_;
  }
  static bool is_gone(child& c) noexcept {
    try {
      return c.take_status().has_value();
    } catch (...) { // taken by somebody else
      return true;
    }
  }

  /// The children were the parent's.
  void reset_in_child() {
    ::new (static_cast<void*>(&mutex_)) std::mutex;
    ::new (static_cast<void*>(&fresh_)) decltype(fresh_);
    event_.reset();
    running_ = false;
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<child>> fresh_;
  descriptor event_;
  bool running_ = false;
};

} // namespace

void reap_later(std::shared_ptr<child> c) noexcept {
  try {
    if (c->take_status()) return;
    reaper::instance().add(std::move(c));
  } catch (...) { // no thread to be had: the zombie goes with this process
  }
}

} // namespace weft::detail

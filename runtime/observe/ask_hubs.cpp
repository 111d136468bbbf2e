// SPDX-License-Identifier: BSL-1.0
#include "runtime/observe/ask_hubs.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>

#include "runtime/sched/hub.hpp"

namespace weft::detail {
namespace {

/// Shared by who asks and those asked; outlives the former if one comes late.
struct inquiry {
  std::mutex mutex; // held while one is asked: who asks leaves only in between
  std::condition_variable changed;
  const std::function<void(hub&, std::size_t)>* ask = nullptr; // null: too late
  std::vector<bool> answered;
  std::size_t open = 0;
};

struct question : inbox_item {
  std::shared_ptr<inquiry> of;
  std::size_t place = 0;

  static void hear(inbox_item& item) noexcept {
    const std::unique_ptr<question> mine(static_cast<question*>(&item));
    inquiry& q = *mine->of;
    const std::lock_guard held(q.mutex);
    if (!q.ask) return;
    try {
      (*q.ask)(*this_hub, mine->place);
      q.answered[mine->place] = true;
    } catch (...) { // no memory
    }
    --q.open;
    q.changed.notify_all();
  }
};

} // namespace

std::vector<bool> ask_hubs(const std::vector<kept_hub>& hubs, std::chrono::milliseconds patience,
                           const std::function<void(hub&, std::size_t)>& ask) {
  const auto end = std::chrono::steady_clock::now() + patience;
  const auto q = std::make_shared<inquiry>();
  q->ask = &ask;
  q->answered.resize(hubs.size());
  std::size_t own = hubs.size();
  for (std::size_t i = 0; i < hubs.size(); ++i) {
    if (&*hubs[i] == this_hub) {
      own = i;
      continue;
    }
    auto message = std::make_unique<question>();
    message->deliver = &question::hear;
    message->of = q;
    message->place = i;
    {
      const std::lock_guard held(q->mutex);
      ++q->open;
    }
    if (hubs[i]->post(*message)) {
      static_cast<void>(message.release());
    } else { // it has ended
      const std::lock_guard held(q->mutex);
      --q->open;
    }
  }
  std::unique_lock held(q->mutex);
  try {
    if (own != hubs.size()) {
      ask(*hubs[own], own);
      q->answered[own] = true;
    }
    q->changed.wait_until(held, end, [&] { return q->open == 0; });
  } catch (...) {
    q->ask = nullptr;
    throw;
  }
  q->ask = nullptr;
  return q->answered;
}

} // namespace weft::detail

// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/number_epochs.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>
#include <vector>

#include "runtime/sched/hub.hpp"

namespace weft::io {
namespace {

struct number {
  std::atomic<std::uint32_t> epoch = 0;
  std::atomic<std::uint32_t> user = nobody; // the hub that registered it, by its number
  static constexpr std::uint32_t nobody = UINT32_MAX;
  static constexpr std::uint32_t many = UINT32_MAX - 1;
};

constexpr unsigned chunk_size = 256;
constexpr unsigned chunk_count =
    core::sparse_table<core::descriptor>::capacity / chunk_size; // beyond, nothing is registered
constinit std::atomic<number*> chunks[chunk_count] = {};

constexpr unsigned mutex_count = 64;
constinit std::mutex mutexes[mutex_count] = {};

constinit std::mutex hubs_mutex;
std::vector<hub*>& hubs() {
  static auto* all = new std::vector<hub*>; // outlives static destructors that close
  return *all;
}

/// Takes the thread's hub off the list when the thread ends.
struct membership {
  hub* listed = nullptr;

  void leave() {
    if (!listed) return;
    {
      const std::lock_guard held(hubs_mutex);
      std::erase(hubs(), listed);
    }
    std::exchange(listed, nullptr)->drop();
  }
  ~membership() { leave(); }
};
thread_local membership mine;

// Only the calling thread's hub lives on in a child.
void reset_in_child() {
  for (std::mutex& each : mutexes)
    ::new (static_cast<void*>(&each)) std::mutex;
  ::new (static_cast<void*>(&hubs_mutex)) std::mutex;
  hubs().clear();
  mine.listed = nullptr;
}

void list_once(hub& h) {
  if (mine.listed == &h) return;
  static const int forked = pthread_atfork(nullptr, nullptr, &reset_in_child);
  static_cast<void>(forked);
  mine.leave();
  h.keep();
  mine.listed = &h;
  const std::lock_guard held(hubs_mutex);
  hubs().push_back(&h);
}

number* find(int fd) noexcept {
  const auto n = static_cast<unsigned>(fd);
  if (n / chunk_size >= chunk_count) return nullptr;
  number* chunk = chunks[n / chunk_size].load(std::memory_order_acquire);
  return chunk ? &chunk[n % chunk_size] : nullptr;
}

number& touch(int fd) {
  if (number* found = find(fd)) return *found;
  const auto n = static_cast<unsigned>(fd);
  auto* made = new number[chunk_size];
  number* chunk = nullptr;
  if (chunks[n / chunk_size].compare_exchange_strong(chunk, made, std::memory_order_acq_rel))
    chunk = made;
  else
    delete[] made;
  return chunk[n % chunk_size];
}

struct notice : detail::inbox_item {
  int fd = -1;

  static void hear(inbox_item& item) noexcept {
    auto& self = static_cast<notice&>(item);
    core::reactor& r = detail::this_hub->reactor();
    const core::descriptor* d = r.entry(self.fd);
    // It may have been dropped, and the number registered anew, by an operation meanwhile.
    if (d && d->registered && d->epoch != current_epoch(self.fd)) r.renew(self.fd);
    delete &self;
  }
};

} // namespace

std::mutex& number_mutex(int fd) noexcept {
  return mutexes[static_cast<unsigned>(fd) % mutex_count];
}

std::uint32_t current_epoch(int fd) noexcept {
  const number* n = find(fd);
  return n ? n->epoch.load(std::memory_order_acquire) : 0;
}

std::uint32_t join_epoch(int fd, hub& h) {
  list_once(h);
  number& n = touch(fd);
  const std::uint32_t user = n.user.load(std::memory_order_relaxed);
  if (user == number::nobody)
    n.user.store(h.number(), std::memory_order_relaxed);
  else if (user != h.number())
    n.user.store(number::many, std::memory_order_relaxed);
  return n.epoch.load(std::memory_order_relaxed);
}

bool end_epoch(int fd, const hub* mine) noexcept {
  number* n = find(fd);
  if (!n) return false;
  n->epoch.fetch_add(1, std::memory_order_release);
  const std::uint32_t user = n->user.exchange(number::nobody, std::memory_order_relaxed);
  return user != number::nobody && !(mine && user == mine->number());
}

void tell_other_hubs(int fd, const hub* mine) noexcept {
  const std::lock_guard held(hubs_mutex);
  for (hub* each : hubs()) {
    if (each == mine) continue;
    auto* message = new (std::nothrow) notice;
    if (!message) continue; // its reactor's next audit finds the number closed
    message->deliver = &notice::hear;
    message->fd = fd;
    if (!each->post(*message)) delete message; // it has ended, and nobody waits there any more
  }
}

} // namespace weft::io

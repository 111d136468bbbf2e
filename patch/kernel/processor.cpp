// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/processor.hpp"

#include "patch/kernel/worker.hpp"

namespace weft::patch {

processor* processor_set::find_idle() noexcept {
  processor* found = nullptr;
  if (idle() == 0) return found;
  for (processor& p : *this) {
    if (p.holder.load(std::memory_order_relaxed)) continue;
    if (!found || p.ready.length() > found->ready.length()) found = &p;
  }
  return found;
}

processor& processor_set::busiest() noexcept {
  processor* found = all_;
  for (processor& p : *this)
    if (p.ready.length() > found->ready.length()) found = &p;
  return *found;
}

void processor_set::occupy(processor& p, worker& w) noexcept {
  --idle_;
  w.holds = &p;
  p.holder.store(&w, std::memory_order_release);
}

void processor_set::vacate(worker& w) noexcept {
  ++idle_;
  w.holds->holder.store(nullptr, std::memory_order_relaxed);
  w.holds = nullptr;
}

void processor_set::reset(worker& w) noexcept {
  for (processor& p : *this) {
    p.ready.reset();
    p.holder.store(nullptr, std::memory_order_relaxed);
  }
  shared.reset();
  poller = nullptr;
  help_is_coming = false;
  idle_ = count_;
  occupy(all_[0], w);
}

} // namespace weft::patch

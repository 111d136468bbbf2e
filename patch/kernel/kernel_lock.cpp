// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/kernel_lock.hpp"

namespace weft::patch {
namespace {

void add(std::uint64_t since, std::uint64_t until, std::uint64_t& sum,
         std::uint64_t& longest) noexcept {
  if (until <= since) return; // another processor's counter is a little behind
  sum += until - since;
  if (until - since > longest) longest = until - since;
}

} // namespace

void kernel_lock::wait() noexcept {
  lock_.lock();
  ++waits_;
}

void kernel_lock::note_begin() noexcept {
  ++statistics_.taken;
  held_since_ = __builtin_ia32_rdtsc();
}

void kernel_lock::note_end() noexcept {
  add(held_since_, __builtin_ia32_rdtsc(), statistics_.held, statistics_.held_longest);
}

void kernel_lock::acquire_measured() noexcept {
  if (lock_.try_lock()) return note_begin();
  const std::uint64_t since = __builtin_ia32_rdtsc();
  wait();
  note_begin();
  ++statistics_.contended;
  add(since, held_since_, statistics_.waited, statistics_.waited_longest);
}

} // namespace weft::patch

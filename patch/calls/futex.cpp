// SPDX-License-Identifier: BSL-1.0
//
// futex(2) and what came after it.
#include "patch/kernel/futex.hpp"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <new>

#include "patch/calls/deadline.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/futex_word.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

// Linux 6.7; Debian 12's headers do not have them yet.
constexpr int nr_futex_wake = 454;
constexpr int nr_futex_wait = 455;
constexpr int nr_futex_requeue = 456;

/// Flags of the newer calls: words of 32 bits are the only ones that they know so far.
constexpr std::uint32_t plain_word = FUTEX_32;

futex_table& futexes() noexcept {
  return the_machine().futexes;
}

/// When a futex wait ends: relative for FUTEX_WAIT, absolute on one of two clocks otherwise.
/// Negative: -errno.
clock_deadline futex_deadline(green& g, int command, bool realtime, const timespec* time) noexcept {
  if (!time) return core::never;
  const core::nanoseconds t = span_of(time);
  if (t < 0) return t;
  if (command == FUTEX_WAIT) return call_deadline(g, t);
  // FUTEX_LOCK_PI's clock is CLOCK_REALTIME whatever the flag says.
  return {g, realtime || command == FUTEX_LOCK_PI ? CLOCK_REALTIME : CLOCK_MONOTONIC, t};
}

/// Whether g's wait for a word that others than weft's threads may change is made by the ring, and
/// not in the kernel thread that g runs on. That one costs a kernel thread and the ring none, but
/// a word to and fro between two processes takes 3 us there and 14 to 40 by the ring, whose thread
/// must run each time: the few who wait first are better off so.
bool waits_by_ring(const green& g) noexcept {
  constexpr unsigned few = 4;
  machine& m = the_machine();
  if (g.bound || (!g.fiber && m.native_waiters < few)) return false;
  return m.futex_ring.open();
}

/// A fiber's wait for a word that others than weft's threads may change: in the kernel it would
/// hold its hub up. It waits here, where the others' wake-ups do not come, and looks at the word
/// from time to time: whoever wakes has changed it.
long wait_and_look(green& g, std::uint32_t* word, std::uint32_t expected, std::uint32_t bitset,
                   const clock_deadline& limit) noexcept {
  constexpr core::nanoseconds at_most = 8'000'000;
  for (core::nanoseconds pause = 500'000;; pause = pause * 2 < at_most ? pause * 2 : at_most) {
    const core::nanoseconds until = limit.when();
    const core::nanoseconds look = core::monotonic_now() + pause;
    const long result = futexes().wait(g, word, expected, bitset, look < until ? look : until);
    if (result != -ETIMEDOUT || until <= look) return result;
    if (const long differs = compare(word, expected)) return differs == -EAGAIN ? 0 : differs;
  }
}

/// A plain wait, here or in the kernel.
long wait(green& g, std::uint32_t* word, std::uint32_t expected, std::uint32_t bitset,
          bool is_private, const clock_deadline& limit) noexcept {
  const core::nanoseconds until = limit.when();
  if (until < 0) return until;
  if (!aligned(word) || bitset == 0) return -EINVAL;
  if (!futexes().reaches_outside(word, is_private))
    return futexes().wait(g, word, expected, bitset, until);
  // The kernel would say no more about a word that has changed.
  if (const long differs = compare(word, expected)) return differs;
  if (waits_by_ring(g)) {
    const long result = the_machine().futex_ring.wait(g, word, expected, bitset, is_private, until);
    if (result != wait_in_kernel) return result;
  }
  return g.fiber ? wait_and_look(g, word, expected, bitset, limit) : wait_in_kernel;
}

/// Out of line: its registers are saved only where it is needed.
[[gnu::noinline]] long on_other_futex(green& g, syscall_frame& f) noexcept {
  auto* word = pointer<std::uint32_t>(f.rdi);
  auto* other = pointer<std::uint32_t>(f.r8);
  const int operation = number(f.rsi);
  const int command = operation & FUTEX_CMD_MASK;
  const auto value = static_cast<std::uint32_t>(f.rdx);
  const int count = number(f.rdx);
  const int other_count = number(f.r10); // takes the time-out's place
  const auto last = static_cast<std::uint32_t>(f.r9);
  const bool is_private = operation & FUTEX_PRIVATE_FLAG;
  const bool realtime = operation & FUTEX_CLOCK_REALTIME;
  if (realtime && command != FUTEX_WAIT_BITSET && command != FUTEX_WAIT_REQUEUE_PI &&
      command != FUTEX_LOCK_PI2)
    return -ENOSYS;
  const auto deadline = [&] {
    return futex_deadline(g, command, realtime, pointer<timespec>(f.r10));
  };
  switch (command) {
  case FUTEX_WAIT:
    return wait(g, word, value, ~0u, is_private, deadline());
  case FUTEX_WAIT_BITSET:
    return wait(g, word, value, last, is_private, deadline());
  case FUTEX_WAKE:
    return futexes().wake_everywhere(word, count, ~0u, is_private);
  case FUTEX_WAKE_BITSET:
    return futexes().wake_everywhere(word, count, last, is_private);
  case FUTEX_REQUEUE:
    return futexes().requeue_everywhere(word, other, count, other_count, nullptr, is_private);
  case FUTEX_CMP_REQUEUE:
    return futexes().requeue_everywhere(word, other, count, other_count, &last, is_private);
  case FUTEX_WAKE_OP:
    return futexes().wake_op(word, other, count, other_count, last, is_private);
  case FUTEX_LOCK_PI:
  case FUTEX_LOCK_PI2: {
    const clock_deadline until = deadline();
    if (until.when() < 0) return until.when();
    return futexes().lock_pi(g, word, until.when());
  }
  case FUTEX_TRYLOCK_PI:
    return futexes().trylock_pi(g, word);
  case FUTEX_UNLOCK_PI:
    return futexes().unlock_pi(g, word);
  case FUTEX_WAIT_REQUEUE_PI: {
    const clock_deadline until = deadline();
    if (until.when() < 0) return until.when();
    return futexes().wait_requeue_pi(g, word, value, ~0u, until.when(), other);
  }
  case FUTEX_CMP_REQUEUE_PI:
    if (count != 1) return -EINVAL;
    if (const long differs = compare(word, last)) return differs;
    return futexes().requeue_pi(word, other, other_count);
  default:
    return pass_to_kernel; // the kernel's own error for what it does not know
  }
}

long on_futex(green& g, syscall_frame& f) noexcept {
  // What libc's locks do: nothing lies between the dispatcher and the table of futexes then.
  if (futexes().all_within()) [[likely]] {
    switch (number(f.rsi)) {
    case FUTEX_WAKE_PRIVATE:
      return futexes().wake(pointer<std::uint32_t>(f.rdi), number(f.rdx), ~0u);
    case FUTEX_WAIT_PRIVATE:
      if (!f.r10)
        return futexes().wait(g, pointer<std::uint32_t>(f.rdi), static_cast<std::uint32_t>(f.rdx),
                              ~0u, core::never);
      break;
    case FUTEX_WAIT_BITSET_PRIVATE:
    case FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME:
      if (!f.r10)
        return futexes().wait(g, pointer<std::uint32_t>(f.rdi), static_cast<std::uint32_t>(f.rdx),
                              static_cast<std::uint32_t>(f.r9), core::never);
      break;
    }
  }
  return on_other_futex(g, f);
}

/// An absolute deadline on a clock that the newer calls let the caller choose.
clock_deadline chosen_deadline(green& g, const timespec* time, clockid_t clock) noexcept {
  if (!time) return core::never;
  if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) return -EINVAL;
  const core::nanoseconds t = span_of(time);
  if (t < 0) return t;
  return {g, clock, t};
}

bool is_plain(std::uint64_t flags) noexcept {
  return (flags & ~std::uint64_t{FUTEX_PRIVATE_FLAG}) == plain_word;
}

/// One of the words of futex_waitv, if it is as it should be.
bool is_sound(const futex_waitv& w) noexcept {
  return is_plain(w.flags) && w.__reserved == 0 && w.val <= ~0u && w.uaddr % 4 == 0;
}

/// futex_waitv for words whose description has been read into `words`.
long wait_any(green& g, const syscall_frame& f, futex_waitv* words, futex_waiter* waiters,
              unsigned count) noexcept {
  if (!copy_from_user(words, pointer<void>(f.rdi), count * sizeof *words)) return -EFAULT;
  bool outside = false;
  for (unsigned i = 0; i < count; ++i) {
    if (!is_sound(words[i])) return pass_to_kernel; // whose error it is
    ::new (&waiters[i]) futex_waiter;
    outside = outside || futexes().reaches_outside(pointer<std::uint32_t>(words[i].uaddr),
                                                   words[i].flags & FUTEX_PRIVATE_FLAG);
  }
  if (!outside) {
    const clock_deadline until = chosen_deadline(g, pointer<timespec>(f.r10), number(f.r8));
    if (until.when() < 0) return until.when();
    return futexes().wait_any(g, words, waiters, count, until.when());
  }
  // In the kernel for one is in the kernel for all: wakes must be looked for there.
  for (unsigned i = 0; i < count; ++i)
    if (!futexes().reaches_outside(pointer<std::uint32_t>(words[i].uaddr),
                                   words[i].flags & FUTEX_PRIVATE_FLAG))
      futexes().expect_outsiders();
  if (!waits_by_ring(g)) return wait_in_kernel;
  const clock_deadline until = chosen_deadline(g, pointer<timespec>(f.r10), number(f.r8));
  if (until.when() < 0) return until.when();
  return the_machine().futex_ring.wait_any(g, words, count, until.when());
}

long on_futex_waitv(green& g, syscall_frame& f) noexcept {
  const auto count = static_cast<unsigned>(f.rsi);
  if (!f.rdi || f.rdx != 0 || count == 0 || count > FUTEX_WAITV_MAX) return -EINVAL;
  constexpr unsigned few = 4;
  if (count <= few) {
    futex_waitv words[few];
    futex_waiter waiters[few];
    return wait_any(g, f, words, waiters, count);
  }
  // Stacks may be small.
  struct many {
    futex_waitv words[FUTEX_WAITV_MAX];
    futex_waiter waiters[FUTEX_WAITV_MAX];
  };
  const long at =
      core::sys::map(nullptr, sizeof(many), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (is_error(at)) return at;
  auto* room = reinterpret_cast<many*>(at);
  const long result = wait_any(g, f, room->words, room->waiters, count);
  core::sys::unmap(room, sizeof(many));
  return result;
}

long on_futex_wait(green& g, syscall_frame& f) noexcept {
  if (!is_plain(f.r10)) return pass_to_kernel;
  return wait(g, pointer<std::uint32_t>(f.rdi), static_cast<std::uint32_t>(f.rsi),
              static_cast<std::uint32_t>(f.rdx), f.r10 & FUTEX_PRIVATE_FLAG,
              chosen_deadline(g, pointer<timespec>(f.r8), number(f.r9)));
}

long on_futex_wake(green&, syscall_frame& f) noexcept {
  if (!is_plain(f.r10) || number(f.rdx) < 1) return pass_to_kernel;
  return futexes().wake_everywhere(pointer<std::uint32_t>(f.rdi), number(f.rdx),
                                   static_cast<std::uint32_t>(f.rsi), f.r10 & FUTEX_PRIVATE_FLAG);
}

long on_futex_requeue(green&, syscall_frame& f) noexcept {
  futex_waitv words[2];
  if (!f.rdi || f.rsi != 0) return -EINVAL;
  if (!copy_from_user(words, pointer<void>(f.rdi), sizeof words)) return -EFAULT;
  if (!is_sound(words[0]) || !is_sound(words[1])) return pass_to_kernel;
  if (words[0].flags != words[1].flags) return pass_to_kernel;
  const auto expected = static_cast<std::uint32_t>(words[0].val);
  return futexes().requeue_everywhere(
      pointer<std::uint32_t>(words[0].uaddr), pointer<std::uint32_t>(words[1].uaddr), number(f.rdx),
      number(f.r10), &expected, words[0].flags & FUTEX_PRIVATE_FLAG);
}

constexpr call_entry entries[] = {
    {SYS_futex, virtual_when::active, on_futex},
    {SYS_futex_waitv, virtual_when::active, on_futex_waitv},
    {nr_futex_wake, virtual_when::active, on_futex_wake},
    {nr_futex_wait, virtual_when::active, on_futex_wait},
    {nr_futex_requeue, virtual_when::active, on_futex_requeue},
};

} // namespace

const call_family futex_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/ring.hpp"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/kernel/own_descriptors.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr unsigned entry_count = 8;
constexpr std::uint64_t the_call = 1;
constexpr std::uint64_t a_cancellation = 2;

std::uint32_t& word_at(char* base, std::uint32_t offset) noexcept {
  return *reinterpret_cast<std::uint32_t*>(base + offset);
}

} // namespace

bool ring::open() noexcept {
  if (descriptor_ >= 0) return true;
  if (refused_) return false;
  layout_ = io_uring_params{};
  const long fd = raw_syscall(SYS_io_uring_setup, entry_count, &layout_);
  if (!is_error(fd)) {
    descriptor_ = static_cast<int>(fd);
    if (!(layout_.features & IORING_FEAT_SINGLE_MMAP) || !map()) {
      raw_syscall(SYS_close, fd);
      descriptor_ = -1;
    } else {
      descriptor_ = move_out_of_sight(fd);
    }
  }
  refused_ = descriptor_ < 0;
  return !refused_;
}

bool ring::map() noexcept {
  const std::size_t submissions = layout_.sq_off.array + layout_.sq_entries * sizeof(std::uint32_t);
  const std::size_t completions = layout_.cq_off.cqes + layout_.cq_entries * sizeof(io_uring_cqe);
  rings_size_ = submissions > completions ? submissions : completions;
  const auto at = [&](std::size_t size, std::uint64_t what) {
    return raw_syscall(SYS_mmap, nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                       descriptor_, what);
  };
  const long rings = at(rings_size_, IORING_OFF_SQ_RING);
  if (is_error(rings)) return false;
  const long entries = at(layout_.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES);
  if (is_error(entries)) {
    raw_syscall(SYS_munmap, rings, rings_size_);
    return false;
  }
  rings_ = reinterpret_cast<char*>(rings);
  entries_ = reinterpret_cast<io_uring_sqe*>(entries);
  return true;
}

bool ring::submit(const io_uring_sqe& entry) noexcept {
  // The kernel takes each as it is submitted, so there is always room.
  std::uint32_t& tail = word_at(rings_, layout_.sq_off.tail);
  const std::uint32_t mask = word_at(rings_, layout_.sq_off.ring_mask);
  const std::uint32_t index = tail & mask;
  entries_[index] = entry;
  (&word_at(rings_, layout_.sq_off.array))[index] = index;
  __atomic_store_n(&tail, tail + 1, __ATOMIC_RELEASE);
  long n;
  do {
    n = raw_syscall(SYS_io_uring_enter, descriptor_, 1, 0, 0, nullptr, 0);
  } while (n == -EINTR);
  if (n == 1) return true;
  __atomic_store_n(&tail, tail - 1, __ATOMIC_RELEASE);
  return false;
}

/// Takes out what is complete; whether the call itself is among it.
bool ring::harvest(long& result) noexcept {
  std::uint32_t& head = word_at(rings_, layout_.cq_off.head);
  const std::uint32_t& tail = word_at(rings_, layout_.cq_off.tail);
  const std::uint32_t mask = word_at(rings_, layout_.cq_off.ring_mask);
  const auto* completions = reinterpret_cast<const io_uring_cqe*>(rings_ + layout_.cq_off.cqes);
  bool found = false;
  std::uint32_t at = head;
  for (; at != __atomic_load_n(&tail, __ATOMIC_ACQUIRE); ++at) {
    const io_uring_cqe& c = completions[at & mask];
    if (c.user_data != the_call) continue; // a cancellation's own
    result = c.res;
    found = true;
  }
  __atomic_store_n(&head, at, __ATOMIC_RELEASE);
  return found;
}

long ring::attempt(io_uring_sqe entry) noexcept {
  entry.user_data = the_call;
  long result = 0;
  if (!submit(entry)) return -ENOSYS;
  if (harvest(result)) return result;
  // It waits. Cancelled at once it is as if O_NONBLOCK had been set.
  io_uring_sqe cancel{};
  cancel.opcode = IORING_OP_ASYNC_CANCEL;
  cancel.fd = -1;
  cancel.addr = the_call;
  cancel.user_data = a_cancellation;
  submit(cancel);
  while (!harvest(result))
    raw_syscall(SYS_io_uring_enter, descriptor_, 0, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
  // It may have been done before it could be cancelled.
  return result == -ECANCELED || result == -EINTR ? -EAGAIN : result;
}

void ring::reset_after_fork() noexcept {
  if (descriptor_ < 0) return;
  raw_syscall(SYS_munmap, rings_, rings_size_);
  raw_syscall(SYS_munmap, entries_, layout_.sq_entries * sizeof(io_uring_sqe));
  close_own(descriptor_);
  descriptor_ = -1;
}

} // namespace weft::patch

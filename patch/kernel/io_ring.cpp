// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/io_ring.hpp"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/kernel/own_descriptors.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {

long io_ring::open(unsigned entries, unsigned flags) noexcept {
  layout_ = io_uring_params{};
  layout_.flags = flags;
  const long fd = raw_syscall(SYS_io_uring_setup, entries, &layout_);
  if (is_error(fd)) return fd;
  descriptor_ = static_cast<int>(fd);
  if (!(layout_.features & IORING_FEAT_SINGLE_MMAP) || !map()) {
    raw_syscall(SYS_close, fd);
    descriptor_ = -1;
    return -ENOMEM;
  }
  descriptor_ = move_out_of_sight(fd);
  return 0;
}

bool io_ring::may_work_later(long error) noexcept {
  return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EAGAIN;
}

bool io_ring::map() noexcept {
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

void io_ring::close() noexcept {
  if (descriptor_ < 0) return;
  raw_syscall(SYS_munmap, rings_, rings_size_);
  raw_syscall(SYS_munmap, entries_, layout_.sq_entries * sizeof(io_uring_sqe));
  close_own(descriptor_);
  descriptor_ = -1;
}

bool io_ring::push(const io_uring_sqe& entry) noexcept {
  std::uint32_t& tail = word_at(layout_.sq_off.tail);
  const std::uint32_t head = __atomic_load_n(&word_at(layout_.sq_off.head), __ATOMIC_ACQUIRE);
  if (tail - head >= layout_.sq_entries) return false;
  const std::uint32_t index = tail & word_at(layout_.sq_off.ring_mask);
  entries_[index] = entry;
  (&word_at(layout_.sq_off.array))[index] = index;
  __atomic_store_n(&tail, tail + 1, __ATOMIC_RELEASE);
  return true;
}

void io_ring::take_back() noexcept {
  std::uint32_t& tail = word_at(layout_.sq_off.tail);
  __atomic_store_n(&tail, tail - 1, __ATOMIC_RELEASE);
}

long io_ring::enter(unsigned least) noexcept {
  const std::uint32_t pushed = word_at(layout_.sq_off.tail) -
                               __atomic_load_n(&word_at(layout_.sq_off.head), __ATOMIC_ACQUIRE);
  return raw_syscall(SYS_io_uring_enter, descriptor_, pushed, least,
                     least > 0 ? IORING_ENTER_GETEVENTS : 0, nullptr, 0);
}

bool io_ring::pop(io_uring_cqe& completion) noexcept {
  std::uint32_t& head = word_at(layout_.cq_off.head);
  if (head == __atomic_load_n(&word_at(layout_.cq_off.tail), __ATOMIC_ACQUIRE)) return false;
  const auto* all = reinterpret_cast<const io_uring_cqe*>(rings_ + layout_.cq_off.cqes);
  completion = all[head & word_at(layout_.cq_off.ring_mask)];
  __atomic_store_n(&head, head + 1, __ATOMIC_RELEASE);
  return true;
}

bool io_ring::knows(unsigned operation) noexcept {
  constexpr unsigned most = 64;
  alignas(io_uring_probe) char room[sizeof(io_uring_probe) + most * sizeof(io_uring_probe_op)] = {};
  auto& all = *reinterpret_cast<io_uring_probe*>(room);
  if (operation >= most || is_error(configure(IORING_REGISTER_PROBE, &all, most))) return false;
  return all.ops[operation].flags & IO_URING_OP_SUPPORTED;
}

long io_ring::configure(unsigned what, const void* argument, unsigned count) noexcept {
  return raw_syscall(SYS_io_uring_register, descriptor_, what, argument, count);
}

} // namespace weft::patch

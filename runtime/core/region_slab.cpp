// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/region_slab.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

#include "runtime/core/advise_each.hpp"
#include "runtime/core/sys.hpp"

namespace weft::core {
namespace {

constexpr std::size_t first_count = 4;
constexpr std::size_t doubling_ends = std::size_t{64} << 20;
constexpr std::size_t table_span = std::size_t{2} << 20; // what one page table maps

} // namespace

region_slab::region region_slab::acquire() noexcept {
  if (!free_.empty()) {
    char* at = free_.pop_back();
    cold_ = std::min(cold_, free_.size());
    ++in_use_;
    return {at, false};
  }
  if ((mappings_.empty() || next_ == mappings_.end()[-1].end) && !grow()) return {};
  char* at = next_;
  next_ += size_;
  ++in_use_;
  return {at, true};
}

void region_slab::release(void* at) noexcept {
  --in_use_;
  free_.push_back(static_cast<char*>(at)); // has room for all: see grow
  // Half as many again, or twice as many, before any goes back, so that one call frees many
  // neighbours.
  const std::size_t warm = free_.size() - cold_;
  if (warm <= warm_limit_ + warm_limit_ / 2) return;
  if (keeps_ == warmth::limited || in_use_ <= warm_limit_)
    give_back(warm - warm_limit_);
  else if (warm > 4 * in_use_)
    give_back(warm - in_use_);
}

void region_slab::trim(std::size_t keep) noexcept {
  if (free_.size() - cold_ > keep) give_back(free_.size() - cold_ - keep);
}

namespace {

/// Ranges whose memory is to go back, several by one call.
class going_back {
 public:
  going_back() noexcept = default;
  going_back(const going_back&) = delete;
  going_back& operator=(const going_back&) = delete;
  ~going_back() { flush(); }

  void add(char* low, char* high) noexcept {
    if (count_ == most_advised_at_once) flush();
    ranges_[count_++] = {low, static_cast<std::size_t>(high - low)};
  }

 private:
  void flush() noexcept {
    long bytes = 0;
    for (std::size_t i = 0; i < count_; ++i)
      bytes += static_cast<long>(ranges_[i].iov_len);
    if (count_ < 2 || sys::advise_all(ranges_, count_, MADV_DONTNEED) != bytes)
      for (std::size_t i = 0; i < count_; ++i)
        sys::advise(ranges_[i].iov_base, ranges_[i].iov_len, MADV_DONTNEED);
    count_ = 0;
  }

  iovec ranges_[most_advised_at_once];
  std::size_t count_ = 0;
};

} // namespace

void region_slab::give_back(std::size_t count) noexcept {
  std::sort(free_.begin() + cold_, free_.begin() + cold_ + count);
  going_back ranges;
  for (const std::size_t end = cold_ + count; cold_ < end;) {
    char* low = free_[cold_++];
    char* high = low + size_;
    for (; cold_ < end && free_[cold_] == high; ++cold_)
      high += size_;
    ranges.add(low, high);
  }
}

region_slab::mapping region_slab::map(std::size_t count) const noexcept {
  // What the first region's distance from a page table's boundary is to be.
  const std::size_t shift = use_ == pages::small ? table_span / 2 : 0;
  const bool placed = use_ == pages::huge || size_ >= table_span;
  const std::size_t bytes = count * size_;
  const std::size_t whole = bytes + (placed ? table_span + shift : 0);
  const long result =
      sys::map(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  if (result < 0) return {nullptr, nullptr};
  char* at = reinterpret_cast<char*>(result);
  char* begin = at;
  if (placed) {
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    const std::size_t to_boundary = (table_span - address % table_span) % table_span;
    begin += to_boundary + shift;
    if (begin != at) sys::unmap(at, static_cast<std::size_t>(begin - at));
    if (begin + bytes != at + whole)
      sys::unmap(begin + bytes, static_cast<std::size_t>(at + whole - begin - bytes));
  }
  sys::advise(begin, bytes, use_ == pages::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return {begin, begin + bytes};
}

bool region_slab::grow() noexcept {
  const std::size_t most = std::max({doubling_ends / size_, total_ / 8, std::size_t{1}});
  for (std::size_t count = std::min(std::max(total_, first_count), most); count != 0; count /= 2) {
    if (!mappings_.reserve(mappings_.size() + 1) || !free_.reserve(total_ + count)) continue;
    const mapping made = map(count);
    if (!made.begin) continue;
    mappings_.push_back(made);
    next_ = made.begin;
    total_ += count;
    return true;
  }
  return false;
}

void region_slab::discard() noexcept {
  for (const mapping& each : mappings_)
    sys::unmap(each.begin, static_cast<std::size_t>(each.end - each.begin));
  mappings_.discard();
  free_.discard();
  in_use_ = total_ = cold_ = 0;
  next_ = nullptr;
}

void* region_slab::region_of(const void* at) const noexcept {
  const char* address = static_cast<const char*>(at);
  for (const mapping& each : mappings_)
    if (address >= each.begin && address < each.end)
      return each.begin + static_cast<std::size_t>(address - each.begin) / size_ * size_;
  return nullptr;
}

} // namespace weft::core

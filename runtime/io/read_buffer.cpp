// SPDX-License-Identifier: BSL-1.0
#include "weft/detail/read_buffer.hpp"

#include <algorithm>
#include <cstring>

namespace weft::detail {
namespace {

// A page: ten thousand connections that said hello keep 40 MB, and what reads much grows it.
constexpr std::size_t first_capacity = 4096;

} // namespace

void read_buffer::make_room_for(std::size_t size) {
  if (capacity_ - end_ >= size) return;
  const std::size_t held = end_ - begin_;
  if (capacity_ - held >= size && held <= capacity_ / 2) {
    if (held != 0) std::memmove(data_.get(), data_.get() + begin_, held);
  } else {
    const std::size_t capacity = std::max({first_capacity, capacity_ * 2, held + size});
    std::unique_ptr<char[]> larger(new char[capacity]);
    if (held != 0) std::memcpy(larger.get(), data_.get() + begin_, held);
    data_ = std::move(larger);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = held;
}

std::span<char> read_buffer::room() {
  make_room_for(first_capacity / 4);
  return {data_.get() + end_, capacity_ - end_};
}

void read_buffer::append(std::span<const std::byte> data) {
  if (data.empty()) return;
  make_room_for(data.size());
  std::memcpy(data_.get() + end_, data.data(), data.size());
  end_ += data.size();
}

} // namespace weft::detail

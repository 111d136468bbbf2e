// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// What a stream has read and nobody has asked for yet. Not part of the interface.
class read_buffer {
 public:
  read_buffer() noexcept = default;
  read_buffer(read_buffer&& other) noexcept
      : data_(std::move(other.data_)), capacity_(std::exchange(other.capacity_, 0)),
        begin_(std::exchange(other.begin_, 0)), end_(std::exchange(other.end_, 0)) {}
  read_buffer& operator=(read_buffer&& other) noexcept {
    data_ = std::move(other.data_);
    capacity_ = std::exchange(other.capacity_, 0);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    return *this;
  }

  [[nodiscard]] std::string_view content() const noexcept {
    return {data_.get() + begin_, end_ - begin_};
  }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }

  /// Space behind the content, worth a read: the content is moved, or the buffer grown, for it.
  [[nodiscard]] std::span<char> room();
  /// So many bytes of `room()` were filled.
  void came(std::size_t size) noexcept { end_ += size; }
  /// Drops from the front.
  void drop(std::size_t size) noexcept {
    begin_ += size;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  /// Copies behind the content.
  void append(std::span<const std::byte> data);

 private:
  void make_room_for(std::size_t size);

  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

} // namespace detail
} // namespace weft

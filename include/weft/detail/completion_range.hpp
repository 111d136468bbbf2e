// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include <weft/detail/blocking_call.hpp>
#include <weft/detail/state.hpp>
#include <weft/waitable.hpp>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

class arrivals;
struct close_arrivals {
  void operator()(arrivals* a) const noexcept;
};
using open_arrivals = std::unique_ptr<arrivals, close_arrivals>;

open_arrivals watch_many(std::vector<state*> states);
/// Waits until more than `index` are done, and gives the place of the one with that index; -1 if
/// the time came before.
std::ptrdiff_t next_arrival(arrivals& from, std::size_t index, std::int64_t until,
                            blocking_call call);
[[noreturn]] void throw_not_completed(std::size_t missing);

/// Handles in order of completion: an input range, which is walked once.
template <class Handle>
class completion_range {
 public:
  class iterator {
   public:
    using value_type = Handle;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;

    iterator() noexcept = default;
    explicit iterator(completion_range& range) noexcept : range_(&range) {}

    Handle& operator*() const noexcept { return *range_->current_; }
    Handle* operator->() const noexcept { return range_->current_; }
    iterator& operator++() {
      range_->advance();
      return *this;
    }
    void operator++(int) { range_->advance(); }
    friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return i.done(); }

   private:
    [[nodiscard]] bool done() const noexcept { return range_->current_ == nullptr; }
    completion_range* range_ = nullptr;
  };

  completion_range(std::vector<Handle> handles, std::int64_t until, std::size_t count,
                   blocking_call call)
      : handles_(std::move(handles)), from_(watch_many(states_of(handles_))),
        count_(count < handles_.size() ? count : handles_.size()), until_(until), call_(call) {}
  completion_range(completion_range&&) noexcept = default;
  completion_range& operator=(completion_range&& other) noexcept {
    from_ = std::move(other.from_); // lets go of the states before the handles do
    handles_ = std::move(other.handles_);
    current_ = std::exchange(other.current_, nullptr);
    given_ = other.given_;
    count_ = other.count_;
    until_ = other.until_;
    call_ = other.call_;
    return *this;
  }
  ~completion_range() = default;

  /// Waits for the first.
  [[nodiscard]] iterator begin() {
    if (given_ == 0) advance();
    return iterator(*this);
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  void advance() {
    current_ = nullptr;
    if (given_ >= count_) return;
    const std::ptrdiff_t place = next_arrival(*from_, given_, until_, call_);
    if (place >= 0) {
      ++given_;
      current_ = &handles_[static_cast<std::size_t>(place)];
    } else if (call_ == blocking_call::as_completed) {
      throw_not_completed(count_ - given_);
    }
  }

  std::vector<Handle> handles_;
  open_arrivals from_; // after the handles, which it needs
  Handle* current_ = nullptr;
  std::size_t given_ = 0;
  std::size_t count_;
  std::int64_t until_;
  blocking_call call_;
};

} // namespace detail
} // namespace weft

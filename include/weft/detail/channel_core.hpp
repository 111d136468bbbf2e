// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

#include <weft/detail/wait_list.hpp>

namespace [[gnu::visibility("default")]] weft {
namespace detail {

/// How a channel handles what it transports.
struct item_type {
  std::size_t size;
  std::align_val_t alignment;
  void (*store)(void* memory, void* item);     // moves an item into raw memory
  void (*deliver)(void* optional, void* item); // moves one into an empty std::optional
  void (*destroy)(void* item) noexcept;
};

template <class T>
inline constexpr item_type item_type_of{
    sizeof(T), std::align_val_t(alignof(T)),
    [](void* memory, void* item) {
      std::construct_at(static_cast<T*>(memory), std::move(*static_cast<T*>(item)));
    },
    [](void* optional, void* item) {
      static_cast<std::optional<T>*>(optional)->emplace(std::move(*static_cast<T*>(item)));
    },
    [](void* item) noexcept { std::destroy_at(static_cast<T*>(item)); }};

enum class channel_answer : std::uint8_t {
  done,
  timed_out, // or would have to wait, and may not
  closed,
  failed, // T's move threw what stands in the waiter's `error`
};

struct select_wait;

/// One who waits in a channel: in `send` or `receive`, or one case of a `select`. `payload` is the
/// item, or the std::optional that it is to go to.
struct channel_waiter : waiter {
  channel_waiter() = default;
  channel_waiter(hub* home, state* fiber) noexcept : waiter(home, fiber) {}

  select_wait* select = nullptr; // null: not part of one
  std::size_t number = 0;        // of the case
  channel_answer answer = channel_answer::done;
  std::exception_ptr error;
};

/// A channel but for the type of its items: one call each way, and cases of different types can
/// wait together.
class channel_core {
 public:
  /// `until` of a call that never waits.
  static constexpr std::int64_t no_wait = -1;

  channel_core(const item_type& type, std::size_t capacity);
  channel_core(const channel_core&) = delete;
  channel_core& operator=(const channel_core&) = delete;
  ~channel_core();

  channel_answer send(void* item, std::int64_t until);
  channel_answer receive(void* optional, std::int64_t until);
  void close() noexcept;

  [[nodiscard]] bool closed() const noexcept;
  [[nodiscard]] bool exhausted() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  [[noreturn]] static void throw_closed();

 private:
  friend class select_call;
  friend struct channel_parking;

  // With the lock held; what they take out is to be woken when it is released.
  channel_answer try_send(void* item, wait_chain& woken);
  channel_answer try_receive(void* optional, wait_chain& woken);
  void let_sender_in(wait_chain& woken) noexcept;

  [[nodiscard]] void* slot(std::size_t i) noexcept;
  channel_answer send_slowly(void* item, std::int64_t until);
  channel_answer receive_slowly(void* optional, std::int64_t until);
  channel_answer wait_as(channel_waiter& w, std::unique_lock<sync_lock>& held, wait_list& list,
                         std::int64_t until, blocking_call call);
  channel_answer end_wait(channel_waiter& w, wait_list& list, waited how, blocking_call call);

  mutable sync_lock lock_;
  bool closed_ = false;
  const item_type& type_;
  std::byte* buffer_ = nullptr;
  const std::size_t capacity_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
  wait_list receivers_; // only while it is empty
  wait_list senders_;   // only while it is full
};

} // namespace detail
} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/future.hpp>
#include <weft/spawn.hpp>
#include <weft/timer.hpp>

namespace [[gnu::visibility("default")]] weft {

class hub_handle;

namespace detail {
hub* hub_of(const hub_handle& handle) noexcept;
/// False, and the call is dropped, if the hub has ended. Any thread.
bool call_on(const hub_handle& on, std::unique_ptr<callback_base> call);
void call_on_this_hub(std::unique_ptr<callback_base> call);
} // namespace detail

/// Refers to one thread's hub, from any thread, and may be kept for as long as one likes: when the
/// thread has ended it refers to something that is dead, and in a forked child so do those of all
/// threads but the one that lives on. Copyable, shared. Default-made it refers to none.
class hub_handle {
 public:
  hub_handle() noexcept = default;
  hub_handle(const hub_handle& other) noexcept;
  hub_handle(hub_handle&& other) noexcept : hub_(std::exchange(other.hub_, nullptr)) {}
  hub_handle& operator=(hub_handle other) noexcept {
    std::swap(hub_, other.hub_);
    return *this;
  }
  ~hub_handle();

  /// Whether it refers to any hub, dead or alive.
  [[nodiscard]] bool valid() const noexcept { return hub_ != nullptr; }
  /// Whether that hub still takes calls. Once false it stays so; true may be over at once.
  [[nodiscard]] bool alive() const noexcept;

  friend bool operator==(const hub_handle&, const hub_handle&) noexcept = default;

 private:
  friend hub_handle this_hub_handle();
  friend std::vector<hub_handle> hubs();
  friend hub* detail::hub_of(const hub_handle& handle) noexcept;

  explicit hub_handle(hub& h) noexcept;

  hub* hub_ = nullptr;
};

/// This thread's hub, which is made if there is none. Never blocks. Model:
/// asyncio.get_running_loop, gevent.get_hub.
[[nodiscard]] hub_handle this_hub_handle();

/// All hubs of the `run` in which this thread takes part, that of its caller first; else this
/// thread's alone, which is made if there is none. Never blocks.
[[nodiscard]] std::vector<hub_handle> hubs();

/// Has `f(args...)` called by the loop of this thread's hub (made if there is none), behind all
/// that is ready now: calls come in the order in which they were queued, and never inside this
/// one. `f` may not block (std::logic_error); spawn for that. What it throws goes to the error
/// handler. Callable and arguments are decay-copied. Never blocks, no switch point; throws
/// std::invalid_argument for a null function. Model: asyncio's loop.call_soon.
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
void call_soon(F&& f, Args&&... args) {
  detail::call_on_this_hub(
      detail::make_callback(detail::bind_call(std::forward<F>(f), std::forward<Args>(args)...)));
}

/// The same on a hub of any thread, from any thread: wakes it if it sleeps. What one thread queues
/// keeps its order. False, and `f` is never called, if the hub has ended or the handle is empty;
/// after true it is called, unless the process ends before. To start a fiber on another thread use
/// `spawn_on`. Model: asyncio's loop.call_soon_threadsafe.
///
///     weft::hub_handle hub = weft::this_hub_handle();
///     std::thread t([hub] {
///       weft::call_soon_threadsafe(hub, [] { (void)weft::spawn([] { weft::sleep(1s); }); });
///     });
template <class F, class... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
bool call_soon_threadsafe(const hub_handle& on, F&& f, Args&&... args) {
  return detail::call_on(on, detail::make_callback(detail::bind_call(std::forward<F>(f),
                                                                     std::forward<Args>(args)...)));
}

} // namespace weft

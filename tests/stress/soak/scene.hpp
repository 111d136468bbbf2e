// SPDX-License-Identifier: BSL-1.0
#pragma once

// The frame of the soak: scenes are small plays of some threads whose outcome is known exactly
// (every item arrives once, every signal is counted, every child reports), whatever the order.

#include "tests/stress/chance.hpp"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <source_location>
#include <string_view>
#include <time.h>
#include <vector>

namespace soak {

using stress::chance;

/// Scenes register themselves by a global of this type.
struct scenes {
  struct entry {
    const char* name;
    void (*play)(chance&);
  };
  scenes(std::initializer_list<entry> entries);
};
const std::vector<scenes::entry>& all_scenes();

/// What is wrong, with the seed to repeat it by; ends the process at once.
[[noreturn]] void fail(std::string_view what, long actual, long expected,
                       std::source_location where = std::source_location::current());

inline void expect_equal(long actual, long expected, std::string_view what,
                         std::source_location where = std::source_location::current()) {
  if (actual != expected) fail(what, actual, expected, where);
}
inline void expect_at_least(long actual, long least, std::string_view what,
                            std::source_location where = std::source_location::current()) {
  if (actual < least) fail(what, actual, least, where);
}

/// A pthread that is joined at the latest by its destructor.
class thread {
 public:
  explicit thread(std::function<void()> body, int stack_kib = 0);
  thread(thread&& other) noexcept;
  thread(const thread&) = delete;
  ~thread();
  void join();
  [[nodiscard]] unsigned long id() const noexcept { return id_; }

 private:
  unsigned long id_ = 0;
  bool joinable_ = false;
};

/// A point in time at most 3 ms ahead.
timespec soon(clockid_t clock, chance& c);

/// Something that takes a moment: nothing, a yield, a nap, or some computing.
void dawdle(chance& c);

/// A real-time signal for a scene of its own: two that run at once must not count each other's.
int take_signal();

bool was_interrupted() noexcept; // errno is EINTR

/// `call` until it is not interrupted; below 0 only with another errno.
template <class Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || !was_interrupted()) return result;
  }
}
/// All of `size` bytes; fails otherwise.
void write_all(int fd, const void* from, std::size_t size);
void read_all(int fd, void* into, std::size_t size);
/// Writes or reads and checks `size` bytes of the stream that `seed` stands for, in pieces.
void write_stream(int fd, std::uint64_t seed, std::size_t size, chance& c);
void read_stream(int fd, std::uint64_t seed, std::size_t size, chance& c);

} // namespace soak

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "patch/kernel/machine.hpp"

namespace weft::patch {

/// A machine of each test's own, whose first green thread is the test's thread. No call of
/// libc's is rewritten and the FS base never changes: all threads made here share the test's
/// TLS, which none of the patch's code but the entry stub minds.
class stage : public testing::Test {
 protected:
  stage();
  ~stage() override;

  using part = std::function<void(green&)>;

  green& me() noexcept { return *main_; }
  machine& m() noexcept { return the_machine(); }
  worker& w() noexcept { return m().first; }

  /// A green thread that plays `body` on a stack of its own, at once and until it parks; when
  /// `body` returns it exits as a thread does. The reference is valid until then.
  green& start(part body);

  /// Lets all that are ready run, until all wait or have ended.
  void run() noexcept;
  /// The same, and those whose deadlines come until then.
  void run_until(core::nanoseconds deadline) noexcept;

  /// A thread that is only in the books: it never runs, and must not be woken.
  green& bystander(std::uint64_t blocked = 0);
  /// Takes a bystander out of the books again.
  void dismiss(green& g) noexcept;

  /// How many threads that were started have not ended.
  [[nodiscard]] unsigned still_there() noexcept { return m().count - 1 - bystanders_; }

 private:
  struct actor;
  static void enter(core::transfer t) noexcept;

  static actor* entering_;
  green* main_ = nullptr;
  unsigned bystanders_ = 0;
  std::vector<std::unique_ptr<actor>> actors_;
  std::uint64_t mask_before_ = 0;
};

/// What several threads did, in the order in which they did it.
class diary {
 public:
  void note(const std::string& what) { text_ += (text_.empty() ? "" : " ") + what; }
  /// The notes since the last look.
  std::string read() { return std::exchange(text_, {}); }

 private:
  std::string text_;
};

/// A deadline that has passed, and one that a test waits for. (What it does before that is done
/// by then even if the machine is busy.)
inline constexpr core::nanoseconds long_ago = 1;
[[nodiscard]] core::nanoseconds soon() noexcept;

} // namespace weft::patch

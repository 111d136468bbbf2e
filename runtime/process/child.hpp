// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <atomic>
#include <mutex>
#include <optional>

#include "weft/descriptor.hpp"
#include "weft/subprocess.hpp"

namespace weft::detail {

/// Tests clear it, to see what happens on a kernel without pidfd_open.
extern std::atomic<bool> use_pidfd;

/// A child process until its status was taken. Any thread.
class child {
 public:
  /// Of a process that was just made. Throws std::system_error; then the child is killed.
  explicit child(pid_t pid);

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Readable once the child is at its end.
  [[nodiscard]] int end_descriptor() const noexcept { return end_.get(); }
  /// Takes its status if it is at its end. Throws std::system_error if that is lost.
  std::optional<exit_status> take_status();
  bool send_signal(int number);
  /// Kills it; no effect in another process than the one that made it.
  void kill_quietly() noexcept;
  /// In a forked child it stands for nothing.
  [[nodiscard]] bool is_ours() const noexcept;

 private:
  const pid_t pid_;
  const pid_t parent_;
  bool has_pidfd_ = false;
  descriptor end_;
  std::mutex mutex_; // a number may be sent signals as long as nobody has taken its status
  std::optional<exit_status> status_;
  bool lost_ = false;
};

} // namespace weft::detail

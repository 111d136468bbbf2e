// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace weft::patch {

/// While it exists no other thread of the process is where code is being rewritten (patch_mode::
/// blocked): each waits in a system call, or is held in a signal handler by which it was
/// interrupted elsewhere. For a program that runs already and asks to be patched.
class stand_still {
 public:
  stand_still() noexcept;
  stand_still(const stand_still&) = delete;
  stand_still& operator=(const stand_still&) = delete;
  ~stand_still();

  /// Whether there are other threads at all.
  [[nodiscard]] bool others() const noexcept { return others_; }
  /// False: some thread could not be brought to stand still.
  [[nodiscard]] explicit operator bool() const noexcept { return all_; }

 private:
  bool try_once() noexcept;

  bool others_ = false;
  bool all_ = false;
};

} // namespace weft::patch

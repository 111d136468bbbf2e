// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>

#include "runtime/core/list.hpp"
#include "runtime/core/sparse_table.hpp"

namespace weft::patch {

/// The open file that a call in progress works on. In Linux a call goes on with it when another
/// thread closes the descriptor or gives the number to another file; so it does here, under a
/// number of weft's. Lives on the caller's stack, and costs nothing until `hold`.
class open_file : public core::list_hook<> {
 public:
  explicit open_file(int fd) noexcept : fd_(fd) {}
  ~open_file();
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;

  /// The number to use now. Looked up anew after each park.
  [[nodiscard]] int fd() const noexcept { return fd_; }
  /// Whether it is not the caller's number any more.
  [[nodiscard]] bool was_closed() const noexcept { return kept_; }
  /// To be called before the caller parks: from here on `fd` follows the open file.
  void hold() noexcept;
  /// To be called before the kernel makes a call for the caller in which handlers of the program's
  /// may run (native_call): they may leave it by a longjmp.
  void release() noexcept {
    if (linked()) unlink();
  }

  /// Whether the call waits at all, if that was found out; of a socket the kernel asks only
  /// once in a call.
  enum class waiting : std::uint8_t { unknown, allowed, refused } mode = waiting::unknown;

 private:
  friend class files_in_use;
  int fd_;
  bool kept_ = false;
};

/// Which calls are under way on which descriptors.
class files_in_use {
 public:
  files_in_use() noexcept = default;

  void add(open_file& file) noexcept;

  /// To be called before `fd` is closed or replaced: calls that work on it and those that wait
  /// in poll or select go on with a duplicate. Returns that, or -1 if none is needed. Where there
  /// is no room for one the calls find their descriptor closed.
  int keep(int fd) noexcept;
  /// One user less of a duplicate; no effect on other descriptors.
  void release(int kept) noexcept;

  /// In a fork's child none of those calls exists.
  void reset_after_fork() noexcept;

 private:
  struct entry {
    core::list<open_file> calls;
    unsigned users = 0; // of a duplicate
  };
  core::sparse_table<entry> table_;
};

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

/// Access to memory by addresses that the program passed in a system call. Any of them may be
/// wrong, and then the call fails with EFAULT, as natively, and the process lives: the fault
/// arrives as a signal (`on_signal`), which makes the function that did the access return false.
/// For that SIGSEGV and SIGBUS are always caught and let in, whatever the program does with them
/// (access_faults in signal_detail.hpp). An access that is right costs a call and nothing else.
///
/// What the program passed is read once, into a copy: other threads may change it meanwhile.
extern "C" {
int weft_copy_user(void* to, const void* from, std::size_t size) noexcept;
int weft_load_user_word(std::uint32_t* value, const std::uint32_t* word) noexcept;
int weft_replace_user_word(std::uint32_t* word, std::uint32_t* expected,
                           std::uint32_t desired) noexcept;
}

namespace weft::patch {

/// Copies `size` bytes; false if one of the addresses is wrong. Part of it may have been copied.
[[nodiscard]] inline bool copy_from_user(void* to, const void* from, std::size_t size) noexcept {
  return weft_copy_user(to, from, size);
}
[[nodiscard]] inline bool copy_to_user(void* to, const void* from, std::size_t size) noexcept {
  return weft_copy_user(to, from, size);
}

/// Reads the program's object at `from`.
template <class T>
[[nodiscard]] bool get_user(T& value, const T* from) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  return weft_copy_user(&value, from, sizeof value);
}
/// Writes the program's object at `to`.
template <class T>
[[nodiscard]] bool put_user(T* to, const T& value) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  return weft_copy_user(to, &value, sizeof value);
}

/// Reads a futex word, in one.
[[nodiscard]] inline bool load_user_word(std::uint32_t& value, const std::uint32_t* word) noexcept {
  return weft_load_user_word(&value, word);
}

enum class replaced : int {
  fault = 0,
  yes = 1,
  no = 2, // the word differs: `expected` is what it holds
};
/// Compare and exchange of a futex word.
[[nodiscard]] inline replaced replace_user_word(std::uint32_t* word, std::uint32_t& expected,
                                                std::uint32_t desired) noexcept {
  return static_cast<replaced>(weft_replace_user_word(word, &expected, desired));
}

/// If `context` was interrupted in one of the functions above, makes that return false.
[[nodiscard]] bool resume_after_user_fault(void* context) noexcept;

} // namespace weft::patch

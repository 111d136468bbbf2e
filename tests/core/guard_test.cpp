// SPDX-License-Identifier: BSL-1.0
#include "runtime/core/guard.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "runtime/core/page.hpp"

namespace {

using namespace weft::core;

class guard : public testing::Test {
 protected:
  static constexpr std::size_t size = 3 * page_size;
  char* at_ = static_cast<char*>(
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  void SetUp() override { ASSERT_NE(at_, MAP_FAILED); }
  void TearDown() override { ::munmap(at_, size); }
};

// By the system call itself: AddressSanitizer makes mlock do nothing.
void lock(void* at, std::size_t size) {
  if (::syscall(SYS_mlock, at, size) != 0) std::_Exit(2);
}

// Leaves by the signal's number plus 100, whatever a sanitizer does with faults.
void touch_and_die(char* at) {
  for (int number : {SIGSEGV, SIGBUS})
    std::signal(number, [](int n) { std::_Exit(100 + n); });
  *static_cast<volatile char*>(at) = 1;
  std::_Exit(0);
}

TEST_F(guard, faults_within_and_only_there) {
  at_[0] = at_[page_size] = at_[2 * page_size] = 'x';
  const guard_kind kind = install_guard(at_ + page_size, page_size);
  ASSERT_NE(kind, guard_kind::none);
  at_[page_size - 1] = at_[2 * page_size] = 'y';
  EXPECT_EXIT(touch_and_die(at_ + page_size), testing::ExitedWithCode(100 + SIGSEGV), "");
  EXPECT_EXIT(touch_and_die(at_ + 2 * page_size - 1), testing::ExitedWithCode(100 + SIGSEGV), "");
}

TEST_F(guard, is_lifted) {
  const guard_kind kind = install_guard(at_, page_size);
  EXPECT_EQ(remove_guard(at_, page_size, kind), 0);
  EXPECT_EQ(at_[0], 0);
  at_[0] = 'x';
}

TEST_F(guard, survives_giving_the_memory_back) {
  ASSERT_NE(install_guard(at_, page_size), guard_kind::none);
  ASSERT_EQ(::madvise(at_, size, MADV_DONTNEED), 0);
  at_[page_size] = 'x';
  EXPECT_EXIT(touch_and_die(at_), testing::ExitedWithCode(100 + SIGSEGV), "");
}

TEST_F(guard, falls_back_to_protection_where_installing_does_not_work) {
  // As under mlockall(MCL_FUTURE): locked memory takes no guard markers.
  EXPECT_EXIT(
      {
        lock(at_, size);
        if (install_guard(at_, page_size) != guard_kind::protect) std::_Exit(1);
        // Remembered: unlocked memory is not tried any more.
        ::syscall(SYS_munlock, at_, size);
        if (install_guard(at_ + page_size, page_size) != guard_kind::protect) std::_Exit(1);
        if (remove_guard(at_, page_size, guard_kind::protect) != 0) std::_Exit(1);
        at_[0] = 'x';
        touch_and_die(at_ + page_size);
      },
      testing::ExitedWithCode(100 + SIGSEGV), "");
}

TEST_F(guard, stops_protecting_before_the_process_has_no_mappings_left) {
  EXPECT_EXIT(
      {
        lock(at_, size);
        if (install_guard(at_, page_size) != guard_kind::protect) std::_Exit(1);
        constexpr std::size_t count = 40'000;
        char* many =
            static_cast<char*>(::mmap(nullptr, count * 2 * page_size, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        std::size_t guarded = 0;
        for (std::size_t i = 0; i < count; ++i)
          guarded += install_guard(many + i * 2 * page_size, page_size) == guard_kind::protect;
        // The program's own mappings are still possible.
        for (int i = 0; i < 1000; ++i) {
          const int protection = i % 2 == 0 ? PROT_READ : PROT_READ | PROT_WRITE;
          if (::mmap(nullptr, page_size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
              MAP_FAILED)
            std::_Exit(3);
        }
        std::_Exit(guarded > 10'000 && guarded < 32'743 ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(guard, none_needs_no_lifting) {
  EXPECT_EQ(remove_guard(at_, page_size, guard_kind::none), 0);
}

} // namespace

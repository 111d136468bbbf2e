// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/print.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "patch/kernel/processor.hpp"

namespace weft::patch {
namespace {

/// What `write` sent to descriptor 2, each write a line of its own.
template <class Write>
std::string written(Write&& write) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
  const int kept = dup(2);
  dup2(ends[1], 2);
  write();
  dup2(kept, 2);
  close(kept);
  close(ends[1]);
  std::string all;
  char piece[2048];
  for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) > 0;) {
    all.append(piece, static_cast<std::size_t>(n));
    all += '|';
  }
  close(ends[0]);
  return all;
}

TEST(print, a_line_is_one_write) {
  EXPECT_EQ(written([] { line_printer{} << "one " << 2 << " three"; }), "one 2 three\n|");
  EXPECT_EQ(written([] { line_printer{}; }), "\n|");
}

TEST(print, numbers) {
  EXPECT_EQ(written([] {
              line_printer{} << std::uint64_t{0} << " " << UINT64_MAX << " " << INT64_MIN << " "
                             << -1 << " " << 7u;
            }),
            "0 18446744073709551615 -9223372036854775808 -1 7\n|");
}

TEST(print, addresses) {
  EXPECT_EQ(written([] {
              line_printer{} << static_cast<const void*>(nullptr) << " "
                             << reinterpret_cast<const void*>(0xdeadbeefu) << " "
                             << reinterpret_cast<const void*>(UINTPTR_MAX);
            }),
            "0x0 0xdeadbeef 0xffffffffffffffff\n|");
}

TEST(print, what_is_too_long_is_cut_and_still_a_line) {
  const std::string text = written([] {
    line_printer out;
    for (int i = 0; i < 1000; ++i)
      out << "x";
    out << 12345;
  });
  EXPECT_EQ(text, std::string(511, 'x') + "\n|");
}

TEST(print, statistics) {
  statistics s;
  s.threads_made = 5;
  s.threads_peak = 3;
  s.polls = 15;
  s.waits = 16;
  s.helps = 8;
  s.helps_in_vain = 7;
  processor_set processors;
  processors.set_count(2);
  for (processor& p : processors) {
    p.stats.switches = 77;
    p.stats.migrations = 9;
    p.stats.steals = 6;
    p.stats.hand_overs = 2;
    p.stats.preemptions = 4;
    p.stats.wakes = 5;
  }
  processors[1].stats.switches = 23;
  for (int i = 0; i < static_cast<int>(park_reason::count); ++i)
    s.parks[i] = static_cast<std::uint64_t>(10 + i);
  EXPECT_EQ(written([&] { print(s, processors, lock_statistics{}); }),
            "weft: threads made 5, green threads peak 3, switches 100, migrations 18, steals 12, "
            "hand-overs 4, preemptions 8, wakes 10\n|"
            "weft: parks sleep 10, futex 11, io 12, poll 13, signal 14; polls 15, waits 16; "
            "helps 8, in vain 7\n|"
            "weft: processor 0: switches 77, migrations 9, steals 6, hand-overs 2, preemptions 4, "
            "wakes 5\n|"
            "weft: processor 1: switches 23, migrations 9, steals 6, hand-overs 2, preemptions 4, "
            "wakes 5\n|"
            "weft: lock taken 0, contended 0; ns held 0, longest 0, waited 0, longest 0\n|");
}

} // namespace
} // namespace weft::patch

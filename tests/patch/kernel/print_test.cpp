// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/print.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "patch/kernel/statistics.hpp"

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
  s.hand_overs = 2;
  s.preemptions = 4;
  s.steals = 6;
  s.helps = 8;
  s.switches = 77;
  for (int i = 0; i < static_cast<int>(park_reason::count); ++i)
    s.parks[i] = static_cast<std::uint64_t>(10 + i);
  EXPECT_EQ(written([&] { print(s); }),
            "weft: threads made 5, green threads peak 3, switches 77\n|"
            "weft: parks sleep 10, futex 11, io 12, poll 13, signal 14; "
            "hand-overs 2, preemptions 4, steals 6, helps 8\n|");
}

} // namespace
} // namespace weft::patch

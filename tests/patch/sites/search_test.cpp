// SPDX-License-Identifier: BSL-1.0
// Searching and decoding, checked against slow and simple ways over the libraries of this process.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <link.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "patch/sites/decoder.hpp"
#include "patch/sites/frame_table.hpp"
#include "patch/sites/object.hpp"
#include "patch/sites/scan.hpp"

using namespace weft::patch;

namespace {

std::vector<object_view> loaded_objects() {
  std::vector<object_view> objects;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* p) {
        static_cast<std::vector<object_view>*>(p)->push_back(
            describe_object(info->dlpi_name, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum));
        return 0;
      },
      &objects);
  return objects;
}

object_view object_of(const void* p) {
  for (const auto& object : loaded_objects())
    if (object.contains(p)) return object;
  return {};
}

/// A function of libc itself, whatever else is loaded.
const std::uint8_t* libc_function(const char* name) {
  void* libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
  return static_cast<const std::uint8_t*>(dlsym(libc, name));
}

using addresses = std::vector<const std::uint8_t*>;

addresses all_syscall_bytes(const std::vector<std::uint8_t>& bytes) {
  addresses found;
  const auto* end = bytes.data() + bytes.size();
  for (const auto* p = bytes.data(); (p = find_syscall_bytes(p, end)) < end; ++p)
    found.push_back(p);
  return found;
}

/// In portions, as a small buffer gives them.
addresses all_long_jumps(const std::vector<std::uint8_t>& bytes) {
  addresses found;
  const auto* end = bytes.data() + bytes.size();
  const std::uint8_t* buffer[20];
  for (const auto* p = bytes.data(); p < end;) {
    std::size_t count;
    p = collect_long_jumps(p, end, buffer, count);
    found.insert(found.end(), buffer, buffer + count);
  }
  return found;
}

/// Bytes among which the ones searched for are frequent, also at both ends.
std::vector<std::uint8_t> dense_bytes(std::mt19937& random, std::size_t size) {
  static constexpr std::uint8_t choice[] = {0x0f, 0x05, 0x0e, 0x10, 0x04, 0x06, 0x8f, 0x85,
                                            0x80, 0xe9, 0xe8, 0xea, 0x00, 0xff, 0x7f, 0x90};
  std::vector<std::uint8_t> bytes(size);
  for (auto& byte : bytes)
    byte = choice[random() % sizeof choice];
  return bytes;
}

TEST(scan, finds_every_pair_and_nothing_else) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const auto bytes = dense_bytes(random, random() % 200);
    addresses calls, jumps;
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
      const auto* p = &bytes[i];
      if (p[0] == 0x0f && p[1] == 0x05) calls.push_back(p);
      if (p[0] == 0xe9 || (p[0] == 0x0f && p[1] >= 0x80 && p[1] <= 0x8f)) jumps.push_back(p);
    }
    ASSERT_EQ(all_syscall_bytes(bytes), calls);
    ASSERT_EQ(all_long_jumps(bytes), jumps);
  }
}

TEST(quick_flow, agrees_with_zydis_on_all_loaded_code) {
  std::size_t instructions = 0, quick_ones = 0;
  for (const auto& object : loaded_objects()) {
    if (strstr(object.name, "vdso")) continue;
    for (const auto& text : object.texts()) {
      instruction_flow quick, slow;
      for (const auto* p = text.begin; p < text.end;) {
        const std::span<const std::uint8_t> code(p, text.end);
        if (!decode_flow(code, slow)) {
          ++p;
          continue;
        }
        ++instructions;
        if (quick_flow(code, quick)) {
          ++quick_ones;
          const auto where = p - reinterpret_cast<const std::uint8_t*>(object.base);
          ASSERT_EQ(quick.length, slow.length) << object.name << ' ' << std::hex << where;
          ASSERT_EQ(quick.target, slow.target) << object.name << ' ' << std::hex << where;
          ASSERT_EQ(quick.loads, slow.loads) << object.name << ' ' << std::hex << where;
          ASSERT_EQ(quick.landing_pad, slow.landing_pad) << object.name << ' ' << std::hex << where;
          ASSERT_EQ(quick.indirect_jump, slow.indirect_jump)
              << object.name << ' ' << std::hex << where;
        }
        p += slow.length;
      }
    }
  }
  printf("%zu instructions, %zu of them quickly\n", instructions, quick_ones);
  EXPECT_GT(instructions, 400'000u);
  EXPECT_GT(quick_ones, instructions * 9 / 10);
}

TEST(quick_flow, declines_what_it_does_not_know) {
  instruction_flow flow;
  const std::uint8_t evex[16] = {0x62, 0xf1, 0x7c, 0x48, 0x10, 0x07};
  EXPECT_FALSE(quick_flow(evex, flow));
  EXPECT_TRUE(decode_flow(evex, flow));
  const std::uint8_t nop[4] = {0x90, 0x90, 0x90, 0x90};
  EXPECT_FALSE(quick_flow(nop, flow)); // too near the end to read ahead
  EXPECT_TRUE(decode_flow(nop, flow));
}

TEST(decoder, tells_what_can_be_moved) {
  const auto movable = [](std::vector<std::uint8_t> code) {
    instruction i;
    EXPECT_TRUE(decode(code, i));
    return i.movable;
  };
  EXPECT_TRUE(movable({0x89, 0xd0}));                         // mov %edx,%eax
  EXPECT_TRUE(movable({0x8b, 0x05, 0, 0, 0, 0}));             // mov x(%rip),%eax
  EXPECT_TRUE(movable({0x64, 0x8b, 0x04, 0x25, 0, 0, 0, 0})); // mov %fs:0,%eax
  EXPECT_FALSE(movable({0xeb, 0x00}));                        // jmp
  EXPECT_FALSE(movable({0x74, 0x00}));                        // je
  EXPECT_FALSE(movable({0xe3, 0x00}));                        // jrcxz
  EXPECT_FALSE(movable({0xe2, 0x00}));                        // loop
  EXPECT_FALSE(movable({0xe8, 0, 0, 0, 0}));                  // call
  EXPECT_FALSE(movable({0xff, 0xd0}));                        // call *%rax
  EXPECT_FALSE(movable({0xc7, 0xf8, 0, 0, 0, 0}));            // xbegin
  EXPECT_FALSE(movable({0xc3}));                              // ret
  EXPECT_FALSE(movable({0xcc}));                              // int3
  EXPECT_FALSE(movable({0x0f, 0x05}));                        // syscall
  EXPECT_FALSE(movable({0xf3, 0x0f, 0x1e, 0xfa}));            // endbr64
  EXPECT_FALSE(movable({0x67, 0x8b, 0x05, 0, 0, 0, 0}));      // mov x(%eip),%eax
}

TEST(frame_table, knows_functions) {
  const auto libc = object_of(libc_function("getpid"));
  const frame_table functions(libc.frame_header);
  const auto* function = libc_function("qsort_r");
  const auto range = functions.find(function + 20);
  EXPECT_EQ(range.begin, function);
  EXPECT_GT(range.end, function + 20);
  EXPECT_GE(range.next, range.end);
  EXPECT_EQ(functions.find(range.next).begin, range.next);
  EXPECT_EQ(functions.find(range.next - 1).begin, function);
}

TEST(frame_table, sees_that_clone_ends_before_its_system_call) {
  const auto libc = object_of(libc_function("getpid"));
  const frame_table functions(libc.frame_header);
  const auto* clone = libc_function("clone");
  const auto range = functions.find(clone);
  const auto* site = find_syscall_bytes(clone, clone + 128);
  EXPECT_EQ(functions.find(site).begin, range.begin);
  EXPECT_LE(range.end, site);
}

TEST(frame_table, refuses_what_is_no_table) {
  EXPECT_EQ(frame_table({}).find(nullptr).begin, nullptr);
  const std::uint8_t other_encoding[16] = {1, 0x1b, 0x03, 0x3a};
  EXPECT_EQ(frame_table(other_encoding).find(other_encoding).begin, nullptr);
  const std::uint8_t too_long[16] = {1, 0x1b, 0x03, 0x3b, 0, 0, 0, 0, 0xff, 0xff};
  EXPECT_EQ(frame_table(too_long).find(too_long).begin, nullptr);
}

TEST(object, describes_what_is_mapped) {
  const auto libc = object_of(libc_function("getpid"));
  EXPECT_NE(strstr(libc.name, "libc.so"), nullptr);
  ASSERT_EQ(libc.text_count, 1);
  EXPECT_TRUE(libc.text[0].contains(reinterpret_cast<const void*>(&getpid)));
  Dl_info info;
  ASSERT_NE(dladdr(reinterpret_cast<void*>(&getpid), &info), 0);
  const auto again = describe_object_at("libc", info.dli_fbase);
  EXPECT_EQ(again.base, libc.base);
  EXPECT_EQ(again.low, libc.low);
  EXPECT_EQ(again.high, libc.high);
  EXPECT_EQ(again.text[0].begin, libc.text[0].begin);
  EXPECT_EQ(again.frame_header.data(), libc.frame_header.data());
  const char no_elf[64] = "not an object";
  EXPECT_EQ(describe_object_at("", no_elf).text_count, 0);
}

} // namespace

// SPDX-License-Identifier: BSL-1.0
#include "patch/launcher/program_check.hpp"
#include "tests/launcher/elf_builder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace weft::launcher::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string verdict(const elf_builder& program) {
  const auto image = read_bytes(program.build());
  return image ? why_not(*image) : "no ELF file";
}

TEST(ElfImage, OrdinaryProgramCanBePatched) {
  EXPECT_THAT(verdict({}), IsEmpty());
}

TEST(ElfImage, FixedAddressProgramCanBePatched) {
  elf_builder program;
  program.header.e_type = ET_EXEC;
  EXPECT_THAT(verdict(program), IsEmpty());
}

TEST(ElfImage, ReadsNeededLibrariesInOrder) {
  elf_builder program;
  program.needed = {"libasan.so.8", "libc.so.6"};
  const auto image = read_bytes(program.build());
  ASSERT_TRUE(image);
  EXPECT_EQ(image->interpreter, "/lib64/ld-linux-x86-64.so.2");
  EXPECT_THAT(image->needed, ElementsAre("libasan.so.8", "libc.so.6"));
  EXPECT_FALSE(image->is_truncated);
}

TEST(ElfImage, StaticProgramIsRefused) {
  elf_builder program;
  program.interpreter.clear();
  EXPECT_THAT(verdict(program), HasSubstr("statically linked"));
}

TEST(ElfImage, MuslIsRefusedByItsLoader) {
  elf_builder program;
  program.interpreter = "/lib/ld-musl-x86_64.so.1";
  EXPECT_THAT(verdict(program), HasSubstr("/lib/ld-musl-x86_64.so.1"));
}

TEST(ElfImage, GlibcElsewhereIsAccepted) {
  elf_builder program;
  program.interpreter = "/nix/store/0000-glibc-2.36/lib/ld-linux-x86-64.so.2";
  EXPECT_THAT(verdict(program), IsEmpty());
}

TEST(ElfImage, OtherMachinesAreRefusedByName) {
  elf_builder program;
  program.header.e_ident[EI_CLASS] = ELFCLASS32;
  EXPECT_THAT(verdict(program), HasSubstr("x32"));
  program.header.e_machine = EM_386;
  EXPECT_THAT(verdict(program), HasSubstr("32-bit x86"));
  program.header.e_ident[EI_CLASS] = ELFCLASS64;
  program.header.e_machine = EM_AARCH64;
  EXPECT_THAT(verdict(program), HasSubstr("64-bit ARM"));
  program.header.e_ident[EI_DATA] = ELFDATA2MSB;
  program.header.e_machine = EM_S390 << 8; // as a big-endian file holds it
  EXPECT_THAT(verdict(program), HasSubstr("s390"));
}

TEST(ElfImage, ObjectFileIsRefused) {
  elf_builder program;
  program.header.e_type = ET_REL;
  EXPECT_THAT(verdict(program), HasSubstr("object file"));
}

TEST(ElfImage, GoIsSeenByItsNote) {
  elf_builder program;
  program.note_name = "GNU";
  EXPECT_THAT(verdict(program), IsEmpty());
  program.note_name = "Go";
  EXPECT_THAT(verdict(program), HasSubstr("Go code"));
}

TEST(ElfImage, GoIsSeenByItsSections) {
  elf_builder program;
  program.sections = {".text", ".data"};
  EXPECT_THAT(verdict(program), IsEmpty());
  program.sections = {".text", ".gopclntab"};
  EXPECT_THAT(verdict(program), HasSubstr("Go code"));
  program.sections = {".data.rel.ro.gopclntab"};
  EXPECT_THAT(verdict(program), HasSubstr("Go code"));
}

TEST(ElfImage, OtherFilesAreNoElf) {
  EXPECT_FALSE(read_bytes({}));
  const std::string script = "#!/bin/sh\n";
  EXPECT_FALSE(read_bytes(std::as_bytes(std::span(script))));
  EXPECT_FALSE(read_bytes(std::as_bytes(std::span("\177ELF")))) << "shorter than an identification";
}

TEST(ElfImage, EveryTruncationIsBoundedAndNeverAccepted) {
  elf_builder program;
  program.needed = {"libc.so.6"};
  const auto whole = program.build();
  ASSERT_EQ(why_not(*read_bytes(whole)), "");
  for (std::size_t size = EI_NIDENT; size < whole.size(); ++size) {
    const auto image = read_bytes(std::span(whole).first(size));
    ASSERT_TRUE(image) << size;
    // The last bytes are padding behind the last table.
    if (size + sizeof(Elf64_Dyn) < whole.size()) {
      EXPECT_NE(why_not(*image), "") << size;
    }
  }
}

TEST(ElfImage, HugeOffsetsAndLengthsAreDamage) {
  constexpr auto huge = std::numeric_limits<std::uint64_t>::max();
  elf_builder program;
  program.needed = {"libc.so.6"};
  program.sections = {".text"};
  const auto whole = program.build();
  const auto& first = *reinterpret_cast<const Elf64_Ehdr*>(whole.data());
  for (int segment = 0; segment < first.e_phnum; ++segment)
    for (const auto value : {huge, huge - 7, huge / 2, std::uint64_t{1} << 40})
      for (const auto field : {offsetof(Elf64_Phdr, p_offset), offsetof(Elf64_Phdr, p_vaddr),
                               offsetof(Elf64_Phdr, p_filesz)}) {
        auto bytes = whole;
        const auto at = first.e_phoff + static_cast<std::size_t>(segment) * sizeof(Elf64_Phdr);
        std::memcpy(bytes.data() + at + field, &value, sizeof value);
        EXPECT_TRUE(read_bytes(bytes));
      }
  for (const auto value : {huge, huge - 63}) {
    program.header.e_shoff = value;
    auto bytes = program.build();
    std::memcpy(bytes.data() + offsetof(Elf64_Ehdr, e_phoff), &value, sizeof value);
    EXPECT_TRUE(read_bytes(bytes)->is_truncated);
  }
}

/// Damages a few bytes at a time, mostly in the headers, where they matter. The same sequence each
/// run.
TEST(ElfImage, MutatedFilesNeverCrash) {
  elf_builder program;
  program.needed = {"libasan.so.8", "libc.so.6"};
  program.note_name = "GNU";
  program.sections = {".text", ".gopclntab"};
  const auto whole = program.build();
  std::mt19937 random(20260101);
  constexpr unsigned edges[] = {0, 1, 7, 8, 0x7f, 0x80, 0xfe, 0xff};
  unsigned refused = 0;
  constexpr unsigned rounds = 50000;
  for (unsigned round = 0; round < rounds; ++round) {
    auto bytes = whole;
    for (auto changes = 1 + random() % 6; changes > 0; --changes) {
      const auto value = random() % 2 != 0 ? edges[random() % std::size(edges)] : random() % 256;
      bytes[EI_CLASS + random() % (bytes.size() - EI_CLASS)] = static_cast<std::byte>(value);
    }
    if (random() % 4 == 0) bytes.resize(EI_NIDENT + random() % bytes.size());
    const auto image = read_bytes(bytes);
    ASSERT_TRUE(image);
    refused += why_not(*image).empty() ? 0 : 1;
    ASSERT_LE(image->needed.size(), whole.size());
  }
  EXPECT_GT(refused, rounds / 4) << "the damage hardly ever hit";
}

} // namespace
} // namespace weft::launcher::test

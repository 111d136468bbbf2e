// SPDX-License-Identifier: BSL-1.0
// Files and memory.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/patch/sites/libc_fixture.hpp"

namespace weft::patch::testing {
namespace {

class libc_files : public libc {};

std::string directory() {
  char name[] = "/tmp/weft-libc-test-XXXXXX";
  return mkdtemp(name);
}

TEST_P(libc_files, files) {
  const auto folder = directory();
  const auto path = folder + "/a";
  FILE* file = fopen(path.c_str(), "w+");
  ASSERT_NE(file, nullptr);
  for (int i = 0; i < 10000; ++i)
    fprintf(file, "%d\n", i);
  rewind(file);
  int last = -1, value;
  while (fscanf(file, "%d", &value) == 1)
    last = value;
  EXPECT_EQ(last, 9999);
  fclose(file);
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 48890);
  EXPECT_EQ(rename(path.c_str(), (folder + "/b").c_str()), 0);
  int entries = 0;
  DIR* dir = opendir(folder.c_str());
  while (readdir(dir))
    ++entries;
  closedir(dir);
  EXPECT_EQ(entries, 3);
  EXPECT_EQ(open(path.c_str(), O_RDONLY), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(unlink((folder + "/b").c_str()), 0);
  EXPECT_EQ(rmdir(folder.c_str()), 0);
}

TEST_P(libc_files, memory) {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t size = 1; size < 64 << 20; size *= 2) {
    blocks.push_back(std::make_unique<char[]>(size));
    blocks.back()[size - 1] = 1;
  }
  void* p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(p, MAP_FAILED);
  p = mremap(p, 4096, 1 << 20, MREMAP_MAYMOVE);
  ASSERT_NE(p, MAP_FAILED);
  EXPECT_EQ(mprotect(p, 4096, PROT_READ), 0);
  EXPECT_EQ(munmap(p, 1 << 20), 0);
}

INSTANTIATE_TEST_SUITE_P(all, libc_files, both_modes(), name_of_mode);

} // namespace
} // namespace weft::patch::testing

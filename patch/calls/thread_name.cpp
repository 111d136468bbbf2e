// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/thread_name.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/syscall.h>

#include "patch/calls/descriptors.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr char directory[] = "/proc/self/task/";
constexpr std::size_t directory_length = sizeof directory - 1;

} // namespace

green* thread_named_by(const char* path) noexcept {
  // What cannot be read ends like a short string: the kernel's to refuse.
  const auto next = [&path] {
    char c = 0;
    return get_user(c, path++) ? c : '\0';
  };
  for (std::size_t i = 0; i < directory_length; ++i)
    if (next() != directory[i]) return nullptr;
  long tid = 0;
  char c = next();
  for (; c >= '0' && c <= '9' && tid <= FUTEX_TID_MASK; c = next())
    tid = tid * 10 + (c - '0');
  for (const char* rest = "/comm"; *rest; ++rest, c = next())
    if (c != *rest) return nullptr;
  if (c) return nullptr;
  green* g = find_thread(static_cast<pid_t>(tid));
  return g && g->tid != the_machine().main_tid ? g : nullptr;
}

long open_name(const green& g, int flags) noexcept {
  const long fd = raw_syscall(SYS_memfd_create, "comm", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
  if (is_error(fd)) return fd;
  char line[sizeof g.name + 1];
  std::size_t length = 0;
  for (; length < sizeof g.name && g.name[length]; ++length)
    line[length] = g.name[length];
  line[length++] = '\n';
  raw_syscall(SYS_pwrite64, fd, line, length, 0L);
  just_made(static_cast<int>(fd));
  name_thread_of(static_cast<int>(fd), g.tid);
  return fd;
}

long write_name(int fd, const char* text, std::size_t length) noexcept {
  green* g = find_thread(thread_of_name(fd));
  if (!g) return -ESRCH;
  char name[sizeof g->name] = {};
  const std::size_t most = length < sizeof name - 1 ? length : sizeof name - 1;
  if (!copy_from_user(name, text, most)) return -EFAULT;
  for (char& c : name)
    if (c == '\n') c = 0;
  __builtin_memcpy(g->name, name, sizeof name);
  return static_cast<long>(length);
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/thread_name.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/syscall.h>

#include "patch/calls/descriptors.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

constexpr char directory[] = "/proc/self/task/";
constexpr std::size_t directory_length = sizeof directory - 1;

} // namespace

green* thread_named_by(const char* path) noexcept {
  if (reinterpret_cast<std::uintptr_t>(path) < 4096) return nullptr; // the kernel's to refuse
  for (std::size_t i = 0; i < directory_length; ++i)
    if (path[i] != directory[i]) return nullptr;
  long tid = 0;
  const char* at = path + directory_length;
  for (; *at >= '0' && *at <= '9' && tid <= FUTEX_TID_MASK; ++at)
    tid = tid * 10 + (*at - '0');
  for (const char* rest = "/comm"; *rest || *at; ++rest, ++at)
    if (*at != *rest) return nullptr;
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
  std::size_t i = 0;
  for (; i < length && i < sizeof g->name - 1 && text[i] && text[i] != '\n'; ++i)
    g->name[i] = text[i];
  g->name[i] = 0;
  return static_cast<long>(length);
}

} // namespace weft::patch

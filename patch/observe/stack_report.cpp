// SPDX-License-Identifier: BSL-1.0
#include "patch/observe/stack_report.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "patch/kernel/machine.hpp"
#include "patch/observe/call_names.hpp"
#include "patch/observe/symbol.hpp"
#include "patch/observe/unwind.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

/// The program's own name, for ld.so has none for it.
const char* program_name() noexcept {
  static char path[256];
  constexpr long room = sizeof path - 1;
  const long length = raw_syscall(SYS_readlink, "/proc/self/exe", path, room);
  if (is_error(length)) return "program";
  path[length] = 0;
  const char* name = path;
  for (const char* p = path; *p; ++p)
    if (*p == '/') name = p + 1;
  return name;
}

/// From the kernel's books, by a path: prctl would tell the name of whoever asks.
void read_main_name(char* into, std::size_t room) noexcept {
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/comm", O_RDONLY | O_CLOEXEC);
  if (is_error(fd)) return;
  const long length = raw_syscall(SYS_read, fd, into, room);
  raw_syscall(SYS_close, fd);
  if (length > 0 && into[length - 1] == '\n') into[length - 1] = 0;
}

void report_frame(int descriptor, int number, std::uint64_t address, const char* program) noexcept {
  line_printer out{descriptor};
  out << "weft:   #" << number << " ";
  const code_place place = place_of(address, program);
  if (place.symbol)
    out << place.symbol << "+" << reinterpret_cast<const void*>(place.within) << " in ";
  if (place.object)
    out << place.object << "+" << reinterpret_cast<const void*>(place.offset);
  else
    out << reinterpret_cast<const void*>(address);
}

} // namespace

bool is_wefts(std::uint64_t address) noexcept {
  struct dl_find_object there, here;
  return _dl_find_object(reinterpret_cast<void*>(address), &there) == 0 &&
         _dl_find_object(reinterpret_cast<void*>(is_wefts), &here) == 0 &&
         there.dlfo_map_start == here.dlfo_map_start;
}

void name_thread(line_printer& out, const green& g) noexcept {
  char name[sizeof g.name + 1] = {};
  if (g.tid == the_machine().main_tid)
    read_main_name(name, sizeof name - 1);
  else
    __builtin_memcpy(name, g.name, sizeof g.name);
  out << "thread " << g.tid << " \"" << name << "\"";
}

void name_call(line_printer& out, const syscall_frame& call) noexcept {
  const char* name = call_name(call.rax);
  if (*name)
    out << name;
  else
    out << "system call " << call.rax;
  constexpr std::uint64_t small = 4096;
  const char* between = "(";
  for (const std::uint64_t argument : {call.rdi, call.rsi, call.rdx}) {
    out << between;
    if (argument < small)
      out << argument;
    else
      out << reinterpret_cast<const void*>(argument);
    between = ", ";
  }
  out << ")";
}

void report_stack(int descriptor, stack_registers registers, int most) noexcept {
  readable_memory memory;
  const char* program = program_name();
  constexpr int own_frames = 32;
  int number = 0;
  for (int walked = 0; walked < most + own_frames && number < most; ++walked) {
    const std::uint64_t address = registers.pc() - (registers.exact ? 0 : 1);
    if (registers.pc() == 0) return;
    if (!is_wefts(address)) report_frame(descriptor, number++, address, program);
    if (!to_caller(registers, memory)) return;
  }
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
//
// Threads' stacks, and libraries being loaded.
#include <sys/mman.h>
#include <sys/syscall.h>

#include "patch/calls/loading.hpp"
#include "patch/calls/table.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

long on_mmap(green&, syscall_frame& f) noexcept {
  if (number(f.r10) & MAP_SHARED) the_machine().futexes.shared.note_change();
  constexpr int stack = MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK;
  // ld.so's own flag, which the kernel has long ignored, tells its mappings from all others.
  constexpr int library = MAP_PRIVATE | MAP_DENYWRITE;
  if ((number(f.r10) & ~MAP_FIXED) == library && f.r9 == 0 && number(f.r8) >= 0) {
    const long at = raw_syscall(SYS_mmap, f.rdi, f.rsi, f.rdx, f.r10, f.r8, f.r9);
    if (!is_error(at)) library_mapped(number(f.r8), reinterpret_cast<void*>(at));
    return at;
  }
  if (f.rdi != 0 || number(f.r10) != stack || number(f.rdx) != PROT_NONE) return pass_to_kernel;
  void* at = the_machine().stacks.allocate(f.rsi);
  return at ? reinterpret_cast<long>(at) : pass_to_kernel;
}

long on_mprotect(green&, syscall_frame& f) noexcept {
  machine& m = the_machine();
  void* at = pointer<void>(f.rdi);
  if (m.stacks.owns(at)) return m.stacks.protect(at, f.rsi, number(f.rdx));
  if (number(f.rdx) == PROT_READ) library_relocated(at);
  return pass_to_kernel;
}

long on_munmap(green&, syscall_frame& f) noexcept {
  machine& m = the_machine();
  void* at = pointer<void>(f.rdi);
  if (m.stacks.owns(at)) return m.stacks.free(at, f.rsi);
  library_unmapped(at, f.rsi);
  return pass_to_kernel;
}

long on_madvise(green&, syscall_frame& f) noexcept {
  // A thread that ends gives most of its stack back. Here the stack's next user is near, and
  // a burst's memory goes back when the stacks themselves are freed.
  if (number(f.rdx) == MADV_DONTNEED && the_machine().stacks.owns(pointer<void>(f.rdi))) return 0;
  return pass_to_kernel;
}

/// What may put shared memory where there was other.
long on_moving_memory(green&, syscall_frame&) noexcept {
  the_machine().futexes.shared.note_change();
  return pass_to_kernel;
}

constexpr call_entry entries[] = {
    {SYS_mremap, virtual_when::always, on_moving_memory},
    {SYS_shmat, virtual_when::always, on_moving_memory},
    {SYS_mmap, virtual_when::always, on_mmap},
    {SYS_mprotect, virtual_when::always, on_mprotect},
    {SYS_munmap, virtual_when::always, on_munmap},
    {SYS_madvise, virtual_when::always, on_madvise},
};

} // namespace

const call_family memory_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

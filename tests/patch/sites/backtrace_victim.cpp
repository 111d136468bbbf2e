// SPDX-License-Identifier: BSL-1.0
// For a debugger: sleeps inside a dispatched system call, libc's own.
#include <sys/syscall.h>
#include <unistd.h>

#include "patch/sites/sites.hpp"
#include "tests/patch/sites/test_dispatcher.hpp"

using namespace weft::patch;

extern "C" [[gnu::noinline]] void inside_the_dispatcher() {
  asm volatile("");
}

int main() {
  site_report report;
  if (patch_loaded_objects([](int) { return true; }, patch_mode::early, report) != patch_status::ok)
    return 1;
  const weft::patch::testing::virtual_scope scope(weft::patch::testing::answer::hook,
                                                  [](syscall_frame* frame) {
                                                    if (frame->rax == SYS_getppid)
                                                      inside_the_dispatcher();
                                                    return dispatch_result::native;
                                                  });
  return getppid() > 0 ? 0 : 2;
}

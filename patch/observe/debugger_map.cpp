// SPDX-License-Identifier: BSL-1.0
#include <cstddef>

#include "patch/kernel/machine.hpp"
#include "runtime/core/debugger_map.h"

// The offsets of classes with bases are well-defined in every compiler that builds this.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace weft::patch {
namespace {

/// Where a base begins in T. The address stands for an object that is never looked at.
template <class Base>
unsigned long offset_of_base() noexcept {
  alignas(green) static char place[sizeof(green)];
  auto* object = reinterpret_cast<green*>(place);
  return static_cast<unsigned long>(reinterpret_cast<char*>(static_cast<Base*>(object)) - place);
}

} // namespace
} // namespace weft::patch

using weft::patch::green;
using weft::patch::machine;
using weft::patch::syscall_frame;
using weft::patch::worker;

extern "C" {

[[gnu::visibility("default")]] extern const weft_debugger_entry weft_patch_debugger_map[];

const weft_debugger_entry weft_patch_debugger_map[] = {
    {"machine", 0, weft::patch::machine_storage},
    {"machine.all", offsetof(machine, all), nullptr},
    {"machine.main_tid", offsetof(machine, main_tid), nullptr},
    {"green.all", weft::patch::offset_of_base<weft::core::list_hook<weft::patch::all_tag>>(),
     nullptr},
    {"green.tid", offsetof(green, tid), nullptr},
    {"green.name", offsetof(green, name), nullptr},
    {"green.why", offsetof(green, why), nullptr},
    {"green.reason", offsetof(green, reason), nullptr},
    {"green.started", offsetof(green, started), nullptr},
    {"green.exited", offsetof(green, exited), nullptr},
    {"green.suspended", offsetof(green, suspended), nullptr},
    {"green.thread_pointer", offsetof(green, thread_pointer), nullptr},
    {"green.call", offsetof(green, call), nullptr},
    {"green.first_frame", offsetof(green, first_frame), nullptr},
    {"green.on", offsetof(green, on), nullptr},
    {"worker.current", offsetof(worker, current), nullptr},
    {"wakeup.parked", static_cast<unsigned long>(weft::patch::wakeup::parked), nullptr},
    {"reasons", 0, "sleep futex io poll signal"},
    {"frame.rax", offsetof(syscall_frame, rax), nullptr},
    {"frame.rbx", offsetof(syscall_frame, rbx), nullptr},
    {"frame.rbp", offsetof(syscall_frame, rbp), nullptr},
    {"frame.r12", offsetof(syscall_frame, r12), nullptr},
    {"frame.r13", offsetof(syscall_frame, r13), nullptr},
    {"frame.r14", offsetof(syscall_frame, r14), nullptr},
    {"frame.r15", offsetof(syscall_frame, r15), nullptr},
    {"frame.rsp", offsetof(syscall_frame, user_rsp), nullptr},
    {"frame.rip", offsetof(syscall_frame, resume), nullptr},
    {nullptr, 0, nullptr},
};
}

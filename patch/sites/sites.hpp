// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "patch/sites/object.hpp"
#include "patch/sites/plan.hpp"

/// Rewrites the `syscall` instructions of loaded objects in memory, so that they lead to
/// `weft_entry` (entry.hpp).
///
/// Each object's text is searched for the two bytes, the functions around them are decoded from
/// their beginnings (.eh_frame_hdr), and what is a real instruction becomes a jump to a slot
/// near the object. Nothing is changed that was not understood: such a site stays native and is
/// reported.
///
/// None of this allocates, throws, or makes a system call through libc; dl_iterate_phdr and
/// Zydis, which are called, make none. State is static: one caller at a time.
namespace weft::patch {

enum class patch_status : std::uint8_t {
  ok,
  not_glibc,    // or older than 2.34, whose pthreads are another object
  shadow_stack, // CET is active: slots return to where nobody called from
  text_denied,  // this process may not change code
  exec_denied,  // this process may not make memory executable
  no_room,      // no free address space near an object
  too_many_objects,
  threads_run,  // other threads could not be brought to stand still meanwhile
};

/// One line for people, without a full stop.
[[nodiscard]] const char* describe(patch_status status) noexcept;

/// Whether calls of system call `nr` shall ever reach the dispatcher. Sites that always make
/// another call are left as they are.
using wants_fn = bool (*)(int nr);

/// A site that was left alone though it was wanted, or may have been.
struct refused_site {
  const char* object = nullptr; // lives as long as the object is loaded
  std::uintptr_t address = 0;   // of the `syscall`, as the object's file counts
  int nr = -1;                  // -1: not constant
  const char* reason = nullptr;
};

/// Adds up over calls.
struct site_report {
  unsigned objects = 0; // looked at
  unsigned found = 0;   // `syscall` instructions
  unsigned patched = 0;
  unsigned unwanted = 0; // by wants_fn, and rt_sigreturn, whose frame must be left alone
  unsigned refused = 0;
  unsigned undecided = 0; // not among the found: code or data, nothing tells
  std::size_t trampoline_bytes = 0;

  static constexpr unsigned max_listed = 64;
  refused_site list[max_listed] = {}; // the first of the `refused`

  void refuse(const refused_site& site) noexcept {
    if (refused < max_listed) list[refused] = site;
    ++refused;
  }
};

/// Patches every object that is loaded but the vDSO, this library and the decoder. To be called
/// from a constructor or later, not with `early` once there are other kernel threads. On a status
/// other than ok objects that were reached before remain patched; text_denied and exec_denied are
/// noticed before the first.
[[nodiscard]] patch_status patch_loaded_objects(wants_fn wants, patch_mode mode,
                                                site_report& report) noexcept;

/// Patches one object, as ld.so maps it for dlopen (`describe_object_at`). With `early`,
/// none of its code may have run. Vector registers survive; signal handlers may run meanwhile.
[[nodiscard]] patch_status patch_object(const object_view& object, wants_fn wants, patch_mode mode,
                                        site_report& report) noexcept;

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/sites.hpp"

#include <sys/auxv.h>

#include <Zydis/Zydis.h>

#include "patch/sites/entry.hpp"
#include "patch/sites/object_patcher.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "patch/sites/text_writer.hpp"
#include "patch/sites/vector_state.hpp"

extern "C" [[gnu::weak]] const char* gnu_get_libc_version();

namespace weft::patch {
namespace {

constexpr std::size_t max_objects = 512;

struct object_list {
  object_view objects[max_objects];
  std::size_t count = 0;
  bool overflow = false;
};

constinit object_list loaded{};

int remember(dl_phdr_info* info, std::size_t, void*) noexcept {
  if (loaded.count == max_objects) {
    loaded.overflow = true;
    return 1;
  }
  loaded.objects[loaded.count++] =
      describe_object(info->dlpi_name, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);
  return 0;
}

/// Ourselves, what we decode with, and the vDSO, which is the kernel's and has no system call that
/// could block.
bool is_left_alone(const object_view& object) noexcept {
  return object.contains(reinterpret_cast<const void*>(&weft_entry)) ||
         object.contains(reinterpret_cast<const void*>(&ZydisDecoderDecodeInstruction)) ||
         object.contains(reinterpret_cast<const void*>(getauxval(AT_SYSINFO_EHDR)));
}

int leading_number(const char*& p) noexcept {
  int value = 0;
  for (; *p >= '0' && *p <= '9'; ++p)
    value = value * 10 + (*p - '0');
  return value;
}

bool is_known_glibc() noexcept {
  if (!gnu_get_libc_version) return false;
  const char* version = gnu_get_libc_version();
  const int major = leading_number(version);
  if (*version) ++version;
  const int minor = leading_number(version);
  return major > 2 || (major == 2 && minor >= 34);
}

bool has_shadow_stack() noexcept {
  std::uint64_t pointer = 0;
  asm volatile("rdsspq %0" : "+r"(pointer)); // a no-op without CET
  return pointer != 0;
}

patch_status run_with_vectors_kept(const object_view& object, wants_fn wants, patch_mode mode,
                                   site_report& report) noexcept {
  const vector_state kept;
  return object_patcher(object, wants, mode, report).run();
}

} // namespace

const char* describe(patch_status status) noexcept {
  switch (status) {
  case patch_status::ok:
    return "patched";
  case patch_status::not_glibc:
    return "the C library is not glibc 2.34 or later";
  case patch_status::shadow_stack:
    return "the process runs with CET shadow stacks";
  case patch_status::text_denied:
    return "the system forbids changing code in memory (SELinux execmod, MemoryDenyWriteExecute)";
  case patch_status::exec_denied:
    return "the system forbids new executable memory (SELinux execmem, MemoryDenyWriteExecute)";
  case patch_status::no_room:
    return "no address space is left near the code";
  case patch_status::too_many_objects:
    return "too many shared objects are loaded";
  case patch_status::threads_run:
    return "other threads did not stand still while code was changed";
  }
  return "unknown";
}

patch_status patch_loaded_objects(wants_fn wants, patch_mode mode, site_report& report) noexcept {
  if (!is_known_glibc()) return patch_status::not_glibc;
  if (has_shadow_stack()) return patch_status::shadow_stack;
  if (may_rewrite_text() != 0) return patch_status::text_denied;

  // Copied, so that ld.so's lock is not held meanwhile.
  loaded.count = 0;
  loaded.overflow = false;
  dl_iterate_phdr(remember, nullptr);
  for (std::size_t i = 0; i < loaded.count; ++i) {
    const auto& object = loaded.objects[i];
    if (is_left_alone(object)) continue;
    const auto status = run_with_vectors_kept(object, wants, mode, report);
    if (status != patch_status::ok) return status;
  }
  return loaded.overflow ? patch_status::too_many_objects : patch_status::ok;
}

patch_status patch_object(const object_view& object, wants_fn wants, patch_mode mode,
                          site_report& report) noexcept {
  if (is_left_alone(object)) return patch_status::ok;
  return run_with_vectors_kept(object, wants, mode, report);
}

} // namespace weft::patch

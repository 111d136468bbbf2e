// SPDX-License-Identifier: BSL-1.0
#include "patch/calls/loading.hpp"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/syscall.h>

#include "patch/calls/descriptors.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/configuration.hpp"
#include "patch/kernel/print.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "patch/sites/sites.hpp"

namespace weft::patch {
namespace {

constexpr std::uintptr_t page = 4096;

struct library {
  void* header = nullptr;          // where its file's beginning is mapped; null if unused
  std::uintptr_t protected_at = 0; // its RELRO's beginning
  char name[256] = {};
};

// One that is being mapped, and those that are not relocated yet: as many as one dlopen brings.
constinit int mapped_file = -1;
constinit void* mapped_at = nullptr;
constexpr unsigned most = 64;
constinit library waiting[most];
constinit unsigned in_use = 0; // the first so many

void patch_now(const library& l) noexcept {
  const object_view object = describe_object_at(l.name, l.header);
  if (object.text_count == 0) return;
  static constinit site_report report;
  report = site_report{};
  const patch_status status = patch_object(object, is_virtual_ever, patch_mode::early, report);
  if (!the_configuration().verbose) return;
  if (status != patch_status::ok)
    line_printer{} << "weft: native: " << l.name << ": " << describe(status);
  else if (report.found != 0)
    line_printer{} << "weft: patched " << report.patched << " of " << report.found
                   << " system call sites in " << l.name;
}

/// Where ld.so will write-protect what it relocated, or 0 if it won't.
std::uintptr_t protected_part(const void* header) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(header);
  const auto& elf = *static_cast<const ElfW(Ehdr)*>(header);
  const auto* parts = reinterpret_cast<const ElfW(Phdr)*>(address + elf.e_phoff);
  const object_view object = describe_object_at("", header);
  for (int i = 0; i < elf.e_phnum; ++i) {
    if (parts[i].p_type != PT_GNU_RELRO) continue;
    const std::uintptr_t begin = (object.base + parts[i].p_vaddr) & -page;
    const std::uintptr_t end = (object.base + parts[i].p_vaddr + parts[i].p_memsz) & -page;
    return begin < end ? begin : 0;
  }
  return 0;
}

void drop(unsigned index) noexcept {
  waiting[index] = waiting[--in_use];
}

} // namespace

void library_mapped(int fd, void* at) noexcept {
  if (mapped_file == fd && mapped_at) return; // a later part, which begins with the file as well
  mapped_file = fd;
  mapped_at = at;
}

void library_file_closed(int fd) noexcept {
  if (fd != mapped_file || !mapped_at) return;
  library l;
  l.header = mapped_at;
  mapped_file = -1;
  mapped_at = nullptr;
  if (describe_object_at("", l.header).text_count == 0) return;
  const fd_path path{fd};
  const long length = raw_syscall(SYS_readlinkat, AT_FDCWD, path.text, l.name, sizeof l.name - 1);
  l.name[length > 0 ? length : 0] = 0;
  l.protected_at = protected_part(l.header);
  if (l.protected_at && in_use < most)
    waiting[in_use++] = l;
  else
    patch_now(l);
}

void library_relocated(void* at) noexcept {
  for (unsigned i = 0; i < in_use; ++i) {
    if (waiting[i].protected_at != reinterpret_cast<std::uintptr_t>(at)) continue;
    patch_now(waiting[i]);
    return drop(i);
  }
}

void library_unmapped(void* at, std::size_t size) noexcept {
  const auto begin = static_cast<char*>(at);
  if (mapped_at >= begin && mapped_at < begin + size) mapped_at = nullptr;
  for (unsigned i = in_use; i-- > 0;)
    if (waiting[i].header >= begin && waiting[i].header < begin + size) drop(i);
}

} // namespace weft::patch

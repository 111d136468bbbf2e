// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/object_patcher.hpp"

#include <sys/syscall.h>

#include "patch/sites/decoder.hpp"
#include "patch/sites/entry_layout.h"
#include "patch/sites/inbound.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "patch/sites/scan.hpp"

namespace weft::patch {
namespace {

constexpr std::size_t max_batch = 2048;

/// Working memory; touched only as far as an object needs it.
struct workspace {
  const std::uint8_t* candidates[max_batch] = {};
  std::size_t candidate_count = 0;
  text_edit edits[max_batch] = {};
  int numbers[max_batch] = {};
  std::size_t edit_count = 0;
  code_region region;
};

constinit workspace work{};

/// The number in a plain site's `mov`.
int plain_number(const std::uint8_t* site) noexcept {
  int nr;
  __builtin_memcpy(&nr, site - sizeof nr, sizeof nr);
  return nr;
}

/// Whether the jump before `site` is one of ours, whose slot remembers where the call returns to.
bool is_patched(const code_region& region, const std::uint8_t* site) noexcept {
  constexpr int longest_layout = 64;
  for (int n = 5; n <= longest_layout && site - n >= region.begin(); ++n) {
    const auto* p = site - n;
    instruction_flow i;
    if (!region.is_boundary(p) || *p != 0xe9 || !decode_flow({p, region.end()}, i)) continue;
    if (!i.target || (i.target >= region.begin() && i.target < region.end())) continue;
    std::uintptr_t returns_to;
    const auto slot = reinterpret_cast<std::uintptr_t>(i.target) & -std::uintptr_t{WEFT_SLOT_SIZE};
    __builtin_memcpy(&returns_to, reinterpret_cast<const void*>(slot), sizeof returns_to);
    if (returns_to == reinterpret_cast<std::uintptr_t>(site + 2)) return true;
  }
  return false;
}

/// Where in `text` to look. Linked the old way, a segment has constants and tables on either side
/// of the code, often more than code; what no function's frame comes near is not looked at.
text_segment code_of(const text_segment& text, std::span<const std::uint8_t> functions) noexcept {
  constexpr std::ptrdiff_t frameless = 64 << 10; // hand-written code may follow
  text_segment code = text;
  if (functions.empty() || !text.contains(functions.data())) return code;
  code.begin += functions.data() - text.begin;
  const auto rest = text.end - (functions.data() + functions.size());
  if (rest > frameless) code.end -= rest - frameless;
  return code;
}

} // namespace

object_patcher::object_patcher(const object_view& object, wants_fn wants, patch_mode mode,
                               site_report& report) noexcept
    : object_(object), wants_(wants), mode_(mode), report_(report),
      functions_(object.frame_header) {}

bool object_patcher::wanted(int nr) const noexcept {
  return nr < 0 || (nr != SYS_rt_sigreturn && wants_(nr));
}

patch_status object_patcher::run() noexcept {
  ++report_.objects;
  for (const auto& segment : object_.texts()) {
    const auto text = code_of(segment, functions_.extent());
    const std::uint8_t* p = text.begin;
    while (p < text.end) {
      work.candidate_count = 0;
      while (work.candidate_count < max_batch && (p = find_syscall_bytes(p, text.end)) < text.end) {
        work.candidates[work.candidate_count++] = p;
        p += 2;
      }
      if (!work.candidate_count) break;
      if (const auto status = run_batch(text); status != patch_status::ok) return status;
    }
  }
  return patch_status::ok;
}

patch_status object_patcher::run_batch(const text_segment& text) noexcept {
  if (!area_.reserve(object_, work.candidate_count)) return patch_status::no_room;
  work.edit_count = 0;
  for (std::size_t first = 0; first < work.candidate_count;) {
    const auto function = functions_.find(work.candidates[first]);
    std::size_t last = first + 1;
    while (last < work.candidate_count && function.begin &&
           (!function.next || work.candidates[last] < function.next))
      ++last;
    consider_region(text, {work.candidates + first, last - first});
    first = last;
  }

  const std::span edits(work.edits, work.edit_count);
  if (drop_entered_edits(object_, edits))
    for (std::size_t i = 0; i < edits.size(); ++i)
      if (const auto* site = edits[i].plan.site; !edits[i].destination)
        report_.refuse({object_.name, reinterpret_cast<std::uintptr_t>(site) - object_.base,
                        work.numbers[i], "a branch of another function may go into its middle"});

  if (area_.seal() != 0) return patch_status::exec_denied;
  if (!area_.size()) return patch_status::ok;
  if (write_text(object_, edits, mode_) != 0) return patch_status::text_denied;
  for (const auto& edit : edits)
    report_.patched += edit.destination != nullptr;
  report_.trampoline_bytes += area_.size();
  return patch_status::ok;
}

/// Decides on `sites`, which have the same function before them.
void object_patcher::consider_region(const text_segment& text,
                                     std::span<const std::uint8_t* const> sites) noexcept {
  const auto function = functions_.find(sites.front());
  bool any_wanted = false, any_in_gap = false;
  for (const auto* site : sites) {
    any_wanted |= !is_sigreturn(site, text.begin) &&
                  (!is_plain_site(site, text.begin) || wanted(plain_number(site)));
    any_in_gap |= site >= function.end;
  }
  if (any_wanted && function.begin && text.contains(function.begin)) {
    // A function may end before its `syscall` for its frame's sake (clone), and some have none.
    const std::uint8_t* end = any_in_gap ? function.next : function.end;
    if (!end || end > text.end) end = text.end;
    work.region.decode(object_, function.begin, end);
  } else {
    work.region.decode(object_, text.begin, text.begin);
  }
  for (const auto* site : sites)
    consider(text, site, site >= function.end);
}

void object_patcher::consider(const text_segment& text, const std::uint8_t* site,
                              bool in_gap) noexcept {
  const auto& region = work.region;
  if (is_sigreturn(site, text.begin)) {
    ++report_.found;
    ++report_.unwanted;
    return;
  }
  const bool plain = is_plain_site(site, text.begin);
  // Between functions there may be data, after which decoding may go astray: a plain site is
  // recognised without it.
  const bool decoded = site < region.decoded_end() && !(in_gap && plain);
  if (decoded && (!region.is_boundary(site) || is_patched(region, site)))
    return; // part of something else, or of a layout of ours

  if (!decoded && !plain) {
    ++report_.undecided;
    return;
  }
  ++report_.found;
  const int nr = plain ? plain_number(site) : constant_number(region, site);
  if (!wanted(nr)) {
    ++report_.unwanted;
    return;
  }
  site_plan plan;
  const char* reason = nullptr;
  if (!plain || region.is_target(site)) reason = plan_site(region, site, free_from_, mode_, plan);
  // A branch to the `syscall` behind the `mov` does no harm, it only bypasses us.
  if (plain && !plan.site && site - 5 >= free_from_) {
    plan = plan_plain_site(site);
    reason = nullptr;
  }
  if (!reason && !plan.site) reason = "the site before it took its room";

  const std::uint8_t* destination = reason ? nullptr : area_.emit(plan);
  if (!reason && !destination) reason = "what must be moved does not reach or fit";
  if (reason) {
    report_.refuse(
        {object_.name, reinterpret_cast<std::uintptr_t>(site) - object_.base, nr, reason});
    return;
  }
  free_from_ = plan.resume();
  work.numbers[work.edit_count] = nr;
  work.edits[work.edit_count++] = {plan, destination};
}

} // namespace weft::patch

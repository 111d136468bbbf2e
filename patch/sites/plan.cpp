// SPDX-License-Identifier: BSL-1.0
#include "patch/sites/plan.hpp"

#include "patch/sites/decoder.hpp"

namespace weft::patch {
namespace {

constexpr int jump_size = 5;
constexpr int max_moved = 4; // instructions on either side

/// The movable neighbours of a site, nearest first, as the addresses where they begin (before) or
/// end (after).
struct neighbours {
  const std::uint8_t* before[max_moved + 1];
  const std::uint8_t* after[max_moved + 1];
  int before_count = 0, after_count = 0;
};

neighbours movable_neighbours(const code_region& region, const std::uint8_t* site,
                              const std::uint8_t* free_from) noexcept {
  neighbours n;
  instruction i;
  n.before[0] = site;
  while (n.before_count < max_moved) {
    const std::uint8_t* p = region.previous(n.before[n.before_count]);
    if (!p || p < free_from || !decode({p, region.end()}, i) || !i.movable) break;
    n.before[++n.before_count] = p;
  }
  n.after[0] = site + 2;
  while (n.after_count < max_moved) {
    const std::uint8_t* p = n.after[n.after_count];
    if (!region.is_boundary(p) || !decode({p, region.end()}, i) || !i.movable) break;
    n.after[++n.after_count] = p + i.length;
  }
  return n;
}

/// Whether the region's branches leave the inside of a layout alone.
bool is_entered(const code_region& region, const std::uint8_t* begin,
                const std::uint8_t* end) noexcept {
  for (const std::uint8_t* p = begin + 1; p < end; ++p)
    if (region.is_target(p)) return true;
  return false;
}

/// A thread's last call as glibc makes it: the jump behind the `syscall` leads back to make it
/// again. Nobody waits in it or comes back from it, so its two bytes may go in any mode.
bool plan_endless_loop(const code_region& region, const neighbours& n, const std::uint8_t* site,
                       site_plan& out) noexcept {
  const std::uint8_t* after = site + 2;
  instruction i;
  instruction_flow flow;
  if (!region.is_boundary(after) || !decode({after, region.end()}, i) || !i.ends_flow ||
      !decode_flow({after, region.end()}, flow))
    return false;
  for (int k = 1; k <= n.before_count; ++k)
    if (flow.target == n.before[k] && after - n.before[k] >= jump_size &&
        !is_entered(region, n.before[k], after)) {
      out = {n.before[k], after, site};
      return true;
    }
  return false;
}

} // namespace

bool site_plan::has_inside() const noexcept {
  // A single instruction is as long as itself.
  instruction i;
  return !decode({begin, end}, i) || begin + i.length < end;
}

bool is_sigreturn(const std::uint8_t* site, const std::uint8_t* text_begin) noexcept {
  // As `mov $15,%eax` or `mov $15,%rax`; unwinders know it by these very bytes.
  constexpr std::uint8_t number[] = {0x0f, 0, 0, 0};
  if (site - text_begin < 7 || __builtin_memcmp(site - 4, number, sizeof number) != 0) return false;
  return site[-5] == 0xb8 || (site[-7] == 0x48 && site[-6] == 0xc7 && site[-5] == 0xc0);
}

site_plan plan_plain_site(const std::uint8_t* site) noexcept {
  return {site - 5, site, site};
}

int constant_number(const code_region& region, const std::uint8_t* site) noexcept {
  constexpr int far_enough = 24;
  const std::uint8_t* p = site;
  for (int n = 0; n < far_enough; ++n) {
    // What jumps to here may bring another number along.
    if (region.is_target(p)) return -1;
    const std::uint8_t* next = p;
    p = region.previous(p);
    instruction i;
    if (!p || !decode({p, next}, i) || i.ends_flow) return -1;
    const auto effect = effect_on_number({p, next});
    if (effect.kind == number_effect::sets_constant) return effect.value;
    if (effect.kind == number_effect::changes) return -1;
  }
  return -1;
}

const char* plan_site(const code_region& region, const std::uint8_t* site,
                      const std::uint8_t* free_from, patch_mode mode, site_plan& out) noexcept {
  if (!region.complete()) return "its function cannot be decoded to the end";
  const neighbours n = movable_neighbours(region, site, free_from);
  const char* reason =
      mode == patch_mode::running   ? "no single instruction before it has room for a jump"
      : mode == patch_mode::blocked ? "what comes before it is too short or cannot be moved"
                                    : "its neighbours are too short or cannot be moved";

  // What keeps the `syscall` in place is best: it works late, and a restarted call restarts.
  const int longest = mode == patch_mode::running ? 1 : n.before_count;
  for (int k = 1; k <= longest && k <= n.before_count; ++k) {
    if (site - n.before[k] < jump_size) continue;
    if (is_entered(region, n.before[k], site + 1)) {
      reason = "a branch goes into its middle";
      break;
    }
    if (k > 1 && region.has_unknown_jump()) {
      reason = "an indirect jump may go into its middle";
      break;
    }
    out = {n.before[k], site, site};
    return nullptr;
  }
  if (mode == patch_mode::blocked && plan_endless_loop(region, n, site, out)) return nullptr;
  if (mode != patch_mode::early) return reason;

  for (int moved = 1; moved <= n.before_count + n.after_count; ++moved)
    for (int m = moved < n.after_count ? moved : n.after_count; m >= 0; --m) {
      const int k = moved - m;
      if (k > n.before_count) break;
      if (n.after[m] - n.before[k] < jump_size) continue;
      if (is_entered(region, n.before[k], n.after[m])) {
        reason = "a branch goes into its middle";
        continue;
      }
      if (region.has_unknown_jump()) {
        reason = "an indirect jump may go into its middle";
        continue;
      }
      out = {n.before[k], n.after[m], site};
      return nullptr;
    }
  return reason;
}

} // namespace weft::patch

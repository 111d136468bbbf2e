// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "patch/sites/frame_table.hpp"
#include "patch/sites/sites.hpp"
#include "patch/sites/text_writer.hpp"
#include "patch/sites/trampoline.hpp"

namespace weft::patch {

/// Takes one object from bytes to jumps, in batches of sites: its working memory is static.
class object_patcher {
 public:
  object_patcher(const object_view& object, wants_fn wants, patch_mode mode,
                 site_report& report) noexcept;

  [[nodiscard]] patch_status run() noexcept;

 private:
  [[nodiscard]] patch_status run_batch(const text_segment& text) noexcept;
  void consider_region(const text_segment& text,
                       std::span<const std::uint8_t* const> sites) noexcept;
  void consider(const text_segment& text, const std::uint8_t* site, bool in_gap) noexcept;
  [[nodiscard]] bool wanted(int nr) const noexcept;

  const object_view& object_;
  const wants_fn wants_;
  const patch_mode mode_;
  site_report& report_;
  const frame_table functions_;
  const std::uint8_t* free_from_ = nullptr; // end of the last layout
  trampoline_area area_;
};

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace weft::detail {

/// Whether hubs make their transfers by io_uring: by WEFT_BACKEND, and where the kernel allows.
/// Found out once; a wish that cannot be fulfilled is reported on standard error then.
[[nodiscard]] bool transfers_by_io_uring() noexcept;

} // namespace weft::detail

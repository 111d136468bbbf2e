// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace weft::detail {

class pool_core;

/// Lists a pool, so that a fork finds it in order.
void register_pool(pool_core& pool);
void unregister_pool(pool_core& pool) noexcept;

} // namespace weft::detail

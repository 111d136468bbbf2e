/* SPDX-License-Identifier: BSL-1.0
 *
 * Offsets that native_x86_64.S and C++ share; native.cpp checks them against the types.
 */
#ifndef WEFT_PATCH_KERNEL_NATIVE_LAYOUT_H
#define WEFT_PATCH_KERNEL_NATIVE_LAYOUT_H

#define WEFT_GREEN_ON 32
#define WEFT_WORKER_STATE 672

/* worker_state */
#define WEFT_RUNNING 0
#define WEFT_IN_NATIVE 1

#endif

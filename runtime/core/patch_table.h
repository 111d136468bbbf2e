/* SPDX-License-Identifier: BSL-1.0 */
#ifndef WEFT_RUNTIME_CORE_PATCH_TABLE_H
#define WEFT_RUNTIME_CORE_PATCH_TABLE_H

/*
 * All that libweft knows of libweft-patch.so: a table of C functions, found by name if the
 * patch is in the process. No C++ object crosses between the two, so that each may be built,
 * updated and loaded without the other. A table only ever grows at its end: a reader looks
 * at `size` before it uses a member that was added after the first version.
 */
#ifdef __cplusplus
extern "C" {
#endif

/* In C, unlike in C++, (void) says more than (). */
/* NOLINTBEGIN(modernize-redundant-void-arg) */
struct weft_patch_table {
  unsigned long size; /* of the table, as the patch was built */

  /*
   * Whether the patch is at work in this process; 0 if it is loaded but could not patch, in
   * which case threads are the kernel's.
   */
  int (*is_active)(void);

  /*
   * Threads of the program, the first one included. The kernel's list of tasks does not show
   * green threads: a hub that wants to know whether anybody is left to wake it asks here.
   */
  unsigned (*thread_count)(void);
};

/* Exported by the patch; to be looked up, not linked. */
const struct weft_patch_table* weft_patch_get_table(void);
/* NOLINTEND(modernize-redundant-void-arg) */

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: BSL-1.0
 *
 * What a debugger has to know to find fibers and green threads, of a library that was built without
 * debug information too, in a live process or in a core: an array of these, ended by one without a
 * name. patch/gdb/weft-gdb.py reads it.
 */
#ifndef WEFT_CORE_DEBUGGER_MAP_H
#define WEFT_CORE_DEBUGGER_MAP_H

struct weft_debugger_entry {
  const char* name;    /* "green.tid" */
  unsigned long value; /* an offset, a size or a number */
  const void* address; /* an object or a text; null: value counts */
};

#endif

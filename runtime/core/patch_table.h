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

/*
 * A hub that has fibers with identity: fibers that are threads to glibc, made by pthread_create,
 * with their own TLS, tid and errno, but run by the hub. The patch makes the object; the hub
 * may look at these members.
 */
struct weft_fiber_host {
  void* thread; /* the hub's own thread, for `enter` */
  /*
   * Set by the hub while its thread waits for events: epoll_wait then returns, as if its time
   * were over, when a fiber of the hub is to run again.
   */
  int polls;
  int woken; /* fibers for `take_woken` */
};

/* What of the C library is made cooperative: see weft/patch.hpp. */
enum weft_family {
  WEFT_FAMILY_THREAD = 1,
  WEFT_FAMILY_TIME = 2,
  WEFT_FAMILY_SOCKET = 4,
  WEFT_FAMILY_SELECT = 8,
  WEFT_FAMILY_SUBPROCESS = 16
};

/* What a parked fiber waits for, besides being woken. */
enum weft_park {
  WEFT_PARK_FIRMLY,        /* nothing */
  WEFT_PARK_UNTIL_REFUSED, /* somebody who asks its hub to end the wait */
  WEFT_PARK_YIELD          /* for no more than its next turn */
};

/* What the patch asks of libweft about a fiber, which is known by what `begin_fiber` was given. */
struct weft_fiber_hooks {
  unsigned long size; /* as libweft was built */
  /*
   * Gives the caller's hub to others, on the fiber's own stack, inside one of its system calls.
   * Returns when it is woken (0), or when it is asked to end its call (1).
   */
  int (*park)(void* fiber, enum weft_park how);
  /* The fiber's thread is at its end: goes away from its stack for ever. */
  void (*ended)(void* fiber);
};

/* In C, unlike in C++, (void) says more than (). */
/* NOLINTBEGIN(modernize-redundant-void-arg) */
struct weft_patch_table {
  unsigned long size; /* of the table, as the patch was built */

  /*
   * Whether the patch is at work in this process and the caller is one of its threads; 0 if it is
   * loaded but could not patch, in which case threads are the kernel's.
   */
  int (*is_active)(void);

  /*
   * Threads of the program, the first one included, fibers left out. The kernel's list of tasks
   * does not show green threads: a hub that wants to know whether anybody is left to wake it asks
   * here.
   */
  unsigned (*thread_count)(void);

  /* Fibers with identity. All of these are called by the thread of a hub, or by its fibers. */

  /*
   * Makes the calling thread a host of fibers. Null if it cannot be one. `hooks` has to live as
   * long as the process.
   */
  struct weft_fiber_host* (*make_host)(const struct weft_fiber_hooks* hooks);
  /* The host has no fibers left. */
  void (*drop_host)(struct weft_fiber_host* host);

  /*
   * The host's next pthread_create, in its own thread, makes a fiber that begins when it is first
   * entered. end_fiber returns its thread, for `enter`, or null if none was made. *context
   * is where its context stands while the hub does not run it: a jump there enters it, and has to
   * bring the address where the context that was left is stored.
   */
  void (*begin_fiber)(struct weft_fiber_host* host, void* fiber);
  void* (*end_fiber)(struct weft_fiber_host* host, void*** context, void** stack, void** stack_top);

  /*
   * Makes the caller, as far as thread-locals and all that the patch keeps go, another thread of
   * its hub, the host's or a fiber's: right before a jump to its context.
   */
  void (*enter)(void* thread);

  /* Calls wake for each fiber that is to run again; wake makes no system call. */
  void (*take_woken)(struct weft_fiber_host* host, void (*wake)(void* fiber));

  /* To be called by the host's thread once the fiber's `ended` was: its stack may go. */
  void (*free_fiber)(void* thread);

  /* Lets other threads run and events be looked at. */
  void (*yield)(void);

  /* Makes these families cooperative, and no others or those that were as well. */
  void (*choose_families)(unsigned families, int no_others);
  /* If the patch is not at work: why, in a few words. */
  const char* (*why_not)(void);
};

/* Exported by the patch; to be looked up, not linked. */
const struct weft_patch_table* weft_patch_get_table(void);
/* NOLINTEND(modernize-redundant-void-arg) */

#ifdef __cplusplus
}
#endif

#endif

// SPDX-License-Identifier: BSL-1.0
//
// How the patch comes into a process: as the constructor of a preloaded library that runs
// before all others.
#include <errno.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "patch/calls/libcs_own.hpp"
#include "patch/calls/table.hpp"
#include "patch/kernel/configuration.hpp"
#include "patch/kernel/cpu_time.hpp"
#include "patch/kernel/machine.hpp"
#include "patch/kernel/print.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/kernel/stand_still.hpp"
#include "patch/kernel/statistics.hpp"
#include "patch/kernel/thread.hpp"
#include "patch/kernel/thread_pointer.hpp"
#include "patch/observe/dump.hpp"
#include "patch/observe/slow_call.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "patch/sites/sites.hpp"
#include "patch/sites/vdso.hpp"
#include "runtime/core/context/context.hpp"

namespace weft::patch {

bool has_fsgsbase = false;

namespace {

constexpr unsigned long hwcap2_fsgsbase = 2;

/// What libc calls for a clock's time and resolution: threads' clocks go by way of a system call
/// that is ours.
clock_function vdso_gettime = nullptr, vdso_getres = nullptr;
int get_time(clockid_t clock, timespec* time) noexcept {
  if (!is_thread_clock(clock)) return vdso_gettime(clock, time);
  return syscall(SYS_clock_gettime, clock, time) == 0 ? 0 : -errno;
}
int get_resolution(clockid_t clock, timespec* resolution) noexcept {
  if (!is_thread_clock(clock)) return vdso_getres(clock, resolution);
  return syscall(SYS_clock_getres, clock, resolution) == 0 ? 0 : -errno;
}

void take_over_clocks() noexcept {
  vdso_gettime = find_in_vdso("__vdso_clock_gettime");
  if (vdso_gettime) replace_in_libc(vdso_gettime, get_time);
  vdso_getres = find_in_vdso("__vdso_clock_getres");
  if (vdso_getres) replace_in_libc(vdso_getres, get_resolution);
}

/// The initial thread becomes the first green thread, with all that it has done so far.
void adopt_main_thread() noexcept {
  machine& m = the_machine();
  green* g = m.greens.make();
  if (!g) core::sys::fatal("weft: no memory for the main thread\n");
  g->tid = m.main_tid = static_cast<pid_t>(raw_syscall(SYS_gettid));
  g->on = &m.first;
  g->thread_pointer = thread_pointer();
  g->started = true;
  g->why = wakeup::event;
  std::size_t length = 0;
  raw_syscall(SYS_get_robust_list, 0, &g->robust_list, &length);
  // Where pthread_join of the main thread waits; unknown without CONFIG_CHECKPOINT_RESTORE.
  raw_syscall(SYS_prctl, PR_GET_TID_ADDRESS, &g->clear_child_tid);
  m.first.idle.on = &m.first;
  adopt_signal_state(*g);
  enroll(*g);
  m.first.kernel_mask = g->blocked;
  weft_self = g;
}

void set_default_stack_size(std::size_t size) noexcept {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return;
  if (pthread_attr_setstacksize(&attributes, size) == 0) pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

void tell(const site_report& report) noexcept {
  line_printer{} << "weft: patched " << report.patched << " of " << report.found
                 << " system call sites in " << report.objects << " objects; " << report.unwanted
                 << " never need it, " << report.refused << " stay native";
  const unsigned listed =
      report.refused < site_report::max_listed ? report.refused : site_report::max_listed;
  for (unsigned i = 0; i < listed; ++i) {
    const refused_site& site = report.list[i];
    line_printer out;
    out << "weft: native: " << site.object << " at " << reinterpret_cast<const void*>(site.address);
    if (site.nr >= 0) out << ", system call " << site.nr;
    out << ": " << site.reason;
  }
}

/// A program that runs already (weft::patch_all) may have threads of the kernel's.
patch_status patch_all_objects(site_report& report) noexcept {
  const stand_still others;
  if (!others.others()) return patch_loaded_objects(is_virtual_ever, patch_mode::early, report);
  if (!others) return patch_status::threads_run;
  the_machine().futexes.expect_outsiders();
  return patch_loaded_objects(is_virtual_ever, patch_mode::blocked, report);
}

[[gnu::constructor]] void start(int, char**, char** environment) noexcept {
  const char* complaint = read_configuration(environment);
  if (complaint) raw_syscall(SYS_write, 2, complaint, __builtin_strlen(complaint));
  const configuration& wanted = the_configuration();

  has_fsgsbase = getauxval(AT_HWCAP2) & hwcap2_fsgsbase;
  const auto* random = reinterpret_cast<const std::uint64_t*>(getauxval(AT_RANDOM));
  seed_tids((random ? random[0] : 0) ^ static_cast<std::uint64_t>(core::monotonic_now()));
  core::select_jump(core::faster_balanced());
  make_machine();
  if (wanted.dump_signal) {
    the_machine().dump = dump_threads;
    the_machine().show = show_thread;
    the_machine().keep_times = true;
  }
  if (wanted.warn_blocking) the_machine().slow_call = report_slow_call;
  if (wanted.stack_size && !complaint) set_default_stack_size(wanted.stack_size);
  set_virtual_calls(phase::single);
  the_machine().phase_changed = change_phase;
  machine& m = the_machine();
  if (raw_syscall(SYS_gettid) != raw_syscall(SYS_getpid)) {
    m.why_not = "it was loaded by another thread than the process's first";
    return;
  }
  adopt_main_thread();
  find_libc();
  static constinit site_report report;
  const patch_status status = patch_all_objects(report);
  m.why_not = status == patch_status::ok ? nullptr : describe(status);
  if (status != patch_status::ok) {
    weft_self = nullptr; // whatever was patched before passes through
    if (!wanted.if_possible || wanted.verbose)
      line_printer{} << "weft: cannot patch this process, it runs natively: " << describe(status);
    return;
  }
  take_over_clocks();
  m.futexes.shared.look_for_others();
  if (wanted.dump_signal && prepare_worker(the_machine().first)) {
    become_active();
    m.lock.release();
  }
  if (wanted.verbose) tell(report);
  if (wanted.statistics != report_form::none) {
    keep_report_open();
    begin_statistics();
  }
  const char* const file = wanted.statistics_file;
  if (*file && !open_statistics_file(file))
    line_printer{} << "weft: cannot write statistics to " << file;
}

} // namespace
} // namespace weft::patch

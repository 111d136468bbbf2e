// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/statistics.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/print.hpp"
#include "patch/kernel/processor.hpp"
#include "patch/sites/raw_syscall.hpp"
#include "runtime/core/clock.hpp"

namespace weft::patch {
namespace {

constinit int standard_error = 2;
constinit int file = -1;

/// When the time-stamp counter began to be compared with the clock.
constinit std::uint64_t first_cycles = 0;
constinit core::nanoseconds first_time = 0;

int report() noexcept {
  return file >= 0 ? file : standard_error;
}

/// The lock's times in nanoseconds.
class stop_watch {
 public:
  stop_watch() noexcept
      : cycles_(__builtin_ia32_rdtsc() - first_cycles),
        nanoseconds_(static_cast<std::uint64_t>(core::monotonic_now() - first_time)) {
    // So that the products fit.
    for (; (cycles_ | nanoseconds_) >> 31; cycles_ >>= 1)
      nanoseconds_ >>= 1;
    if (cycles_ == 0) cycles_ = 1;
  }

  [[nodiscard]] std::uint64_t nanoseconds(std::uint64_t cycles) const noexcept {
    return cycles / cycles_ * nanoseconds_ + cycles % cycles_ * nanoseconds_ / cycles_;
  }

 private:
  std::uint64_t cycles_;
  std::uint64_t nanoseconds_;
};

/// The sum over all processors.
void add_up(const processor_set& processors, processor_statistics& sum) noexcept {
  for (const processor& p : processors) {
    sum.switches += p.stats.switches.load(std::memory_order_relaxed);
    sum.migrations += p.stats.migrations;
    sum.steals += p.stats.steals;
    sum.hand_overs += p.stats.hand_overs;
    sum.preemptions += p.stats.preemptions;
    sum.wakes += p.stats.wakes;
  }
}

void put(line_printer& out, const processor_statistics& s) noexcept {
  out << "switches " << s.switches.load(std::memory_order_relaxed) << ", migrations "
      << s.migrations << ", steals " << s.steals << ", hand-overs " << s.hand_overs
      << ", preemptions " << s.preemptions << ", wakes " << s.wakes;
}

void put_json(line_printer& out, const processor_statistics& s) noexcept {
  out << "\"switches\": " << s.switches.load(std::memory_order_relaxed)
      << ", \"migrations\": " << s.migrations << ", \"steals\": " << s.steals
      << ", \"hand_overs\": " << s.hand_overs << ", \"preemptions\": " << s.preemptions
      << ", \"wakes\": " << s.wakes;
}

} // namespace

const char* name_of(park_reason reason) noexcept {
  static const char* const names[] = {"sleep", "futex", "io", "poll", "signal"};
  static_assert(sizeof names / sizeof *names == static_cast<int>(park_reason::count));
  return names[static_cast<int>(reason)];
}

int keep_report_open() noexcept {
  if (standard_error == 2) {
    const long copy = raw_syscall(SYS_fcntl, 2, F_DUPFD_CLOEXEC, 0);
    if (!is_error(copy)) standard_error = move_out_of_sight(copy);
  }
  return standard_error;
}

bool open_statistics_file(const char* path) noexcept {
  // Each process of a program adds its own line.
  const long fd = raw_syscall(SYS_openat, AT_FDCWD, path,
                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
  if (is_error(fd)) return false;
  file = move_out_of_sight(fd);
  return true;
}

void begin_statistics() noexcept {
  first_cycles = __builtin_ia32_rdtsc();
  first_time = core::monotonic_now();
}

void processor_statistics::reset() noexcept {
  switches.store(0, std::memory_order_relaxed);
  migrations = steals = hand_overs = preemptions = wakes = 0;
}

void print(const statistics& s, const processor_set& processors,
           const lock_statistics& lock) noexcept {
  {
    processor_statistics sum;
    add_up(processors, sum);
    line_printer out{report()};
    out << "weft: threads made " << s.threads_made << ", green threads peak " << s.threads_peak
        << ", ";
    put(out, sum);
  }
  {
    line_printer out{report()};
    out << "weft: parks";
    for (int i = 0; i < static_cast<int>(park_reason::count); ++i)
      out << (i ? ", " : " ") << name_of(static_cast<park_reason>(i)) << " " << s.parks[i];
    out << "; polls " << s.polls << ", waits " << s.waits << "; helps " << s.helps << ", in vain "
        << s.helps_in_vain;
    if (s.batches) out << "; batches " << s.batches << ", of transfers " << s.batched;
  }
  if (!processors.several()) return;
  unsigned number = 0;
  for (const processor& p : processors) {
    line_printer out{report()};
    out << "weft: processor " << number++ << ": ";
    put(out, p.stats);
  }
  const stop_watch watch;
  line_printer{report()} << "weft: lock taken " << lock.taken << ", contended " << lock.contended
                         << "; ns held " << watch.nanoseconds(lock.held) << ", longest "
                         << watch.nanoseconds(lock.held_longest) << ", waited "
                         << watch.nanoseconds(lock.waited) << ", longest "
                         << watch.nanoseconds(lock.waited_longest);
}

void print_json(const statistics& s, const processor_set& processors, const lock_statistics& lock,
                int process) noexcept {
  // Enough for all processors. No other line is made meanwhile: the process ends.
  static constinit char room[64 * 1024];
  line_printer out{report(), room, sizeof room};
  processor_statistics sum;
  add_up(processors, sum);
  out << "{\"process\": " << process << ", \"threads_made\": " << s.threads_made
      << ", \"threads_peak\": " << s.threads_peak << ", ";
  put_json(out, sum);
  out << ", \"parks\": {";
  for (int i = 0; i < static_cast<int>(park_reason::count); ++i)
    out << (i ? ", \"" : "\"") << name_of(static_cast<park_reason>(i)) << "\": " << s.parks[i];
  out << "}, \"polls\": " << s.polls << ", \"waits\": " << s.waits << ", \"helps\": " << s.helps
      << ", \"helps_in_vain\": " << s.helps_in_vain << ", \"batches\": " << s.batches
      << ", \"batched\": " << s.batched << ", \"processors\": [";
  for (const processor& p : processors) {
    out << (&p == processors.begin() ? "{" : ", {");
    put_json(out, p.stats);
    out << "}";
  }
  const stop_watch watch;
  out << "], \"lock\": {\"taken\": " << lock.taken << ", \"contended\": " << lock.contended
      << ", \"held_ns\": " << watch.nanoseconds(lock.held)
      << ", \"held_longest_ns\": " << watch.nanoseconds(lock.held_longest)
      << ", \"waited_ns\": " << watch.nanoseconds(lock.waited)
      << ", \"waited_longest_ns\": " << watch.nanoseconds(lock.waited_longest) << "}}";
}

} // namespace weft::patch

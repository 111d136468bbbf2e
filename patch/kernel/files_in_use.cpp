// SPDX-License-Identifier: BSL-1.0
#include "patch/kernel/files_in_use.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "patch/kernel/machine.hpp"
#include "patch/kernel/own_descriptors.hpp"
#include "patch/kernel/scheduler.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

long duplicate(int fd) noexcept {
  const long copy = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
  if (copy != -EMFILE) return copy;
  // The program uses up its soft limit; beyond it there may be room for what is not its own.
  rlimit limit{};
  raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  if (limit.rlim_cur >= limit.rlim_max) return copy;
  const rlimit more{limit.rlim_cur + 1024 < limit.rlim_max ? limit.rlim_cur + 1024 : limit.rlim_max,
                    limit.rlim_max};
  raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &more, nullptr);
  const long beyond = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, limit.rlim_cur);
  raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, nullptr);
  return beyond;
}

} // namespace

open_file::~open_file() {
  if (linked()) unlink();
  if (kept_ && fd_ >= 0) the_machine().files.release(fd_);
}

void open_file::hold() noexcept {
  if (!linked() && !kept_) the_machine().files.add(*this);
}

void files_in_use::add(open_file& file) noexcept {
  if (entry* e = table_.touch(file.fd_)) e->calls.push_back(file);
}

int files_in_use::keep(int fd) noexcept {
  core::reactor& reactor = the_machine().reactor;
  entry* calls = table_.find(fd);
  bool in_use = calls && !calls->calls.empty();
  reactor.for_each_waiter(fd, [&](core::io_waiter& w) {
    in_use = in_use || static_cast<green*>(w.owner)->keeps_waiting;
  });
  if (!in_use) return -1;
  const long copy = duplicate(fd);
  const int kept = is_error(copy) ? -1 : move_out_of_sight(copy);
  entry* users = table_.touch(kept);
  if (calls)
    calls->calls.for_each([&](open_file& file) {
      file.unlink();
      file.fd_ = kept;
      file.kept_ = true;
      if (users) ++users->users;
    });
  // poll and select look at their numbers again when something comes from the files that they
  // began with, and not before.
  reactor.for_each_waiter(fd, [&](core::io_waiter& w) {
    if (!users || !static_cast<green*>(w.owner)->keeps_waiting) return;
    reactor.remove(w);
    ++users->users;
    w.fd = kept;
    if (reactor.add(w) < 0) unpark(*static_cast<green*>(w.owner), wakeup::event);
  });
  return kept;
}

void files_in_use::release(int kept) noexcept {
  entry* e = table_.find(kept);
  if (!e || e->users == 0 || --e->users != 0) return;
  the_machine().reactor.forget(kept, 0);
  close_own(kept);
}

void files_in_use::reset_after_fork() noexcept {
  table_.for_each([](int, entry& e) {
    e.calls.reset();
    e.users = 0;
  });
}

} // namespace weft::patch

// SPDX-License-Identifier: BSL-1.0
#include "runtime/process/child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/io/operation.hpp"
#include "runtime/sched/helper_thread.hpp"

namespace weft::detail {

std::atomic<bool> use_pidfd{true};

namespace {

int open_pidfd(pid_t pid) noexcept {
  if (use_pidfd.load(std::memory_order_relaxed))
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); // close-on-exec by itself
  errno = ENOSYS;
  return -1;
}

/// Where there is no pidfd_open (Linux before 5.3, some containers' filters): a thread that waits,
/// leaves the status, and makes an eventfd readable.
int open_event_of_end(pid_t pid) {
  descriptor event(::eventfd(0, EFD_CLOEXEC));
  descriptor threads_own(event ? ::fcntl(event.get(), F_DUPFD_CLOEXEC, 0) : -1);
  if (!threads_own) throw std::system_error(errno, std::generic_category(), "weft: eventfd");
  start_helper_thread([pid, fd = threads_own.get()]() noexcept {
    siginfo_t info;
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
    ::close(fd);
  });
  static_cast<void>(threads_own.release());
  return event.release();
}

} // namespace

child::child(pid_t pid) : pid_(pid), parent_(::getpid()) {
  try {
    end_.reset(open_pidfd(pid));
    has_pidfd_ = static_cast<bool>(end_);
    if (!has_pidfd_) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
        throw std::system_error(errno, std::generic_category(), "weft: pidfd_open");
      end_.reset(open_event_of_end(pid));
    }
    io::drop_old_record(end_.get());
  } catch (...) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    throw;
  }
}

bool child::is_ours() const noexcept {
  return ::getpid() == parent_;
}

std::optional<exit_status> child::take_status() {
  const std::lock_guard held(mutex_);
  if (status_) return status_;
  int raw = 0;
  pid_t ended = -1;
  if (is_ours() && !lost_)
    while ((ended = ::waitpid(pid_, &raw, WNOHANG)) < 0 && errno == EINTR) {
    }
  if (ended < 0) {
    lost_ = true;
    throw std::system_error(ECHILD, std::generic_category(),
                            "weft: the exit status of process " + std::to_string(pid_) +
                                " was taken by somebody else");
  }
  if (ended == pid_) status_.emplace(raw);
  return status_;
}

bool child::send_signal(int number) {
  const std::lock_guard held(mutex_);
  if (status_ || lost_ || !is_ours()) return false;
  siginfo_t info{};
  // One that is at its end takes signals, without effect, until its status is taken.
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
      info.si_pid != 0)
    return false;
  // Should somebody else have taken its status, its number may be another process's now.
  const long result = has_pidfd_ ? ::syscall(SYS_pidfd_send_signal, end_.get(), number, nullptr, 0)
                                 : ::kill(pid_, number);
  if (result == 0) return true;
  if (errno == ESRCH) return false;
  throw std::system_error(errno, std::generic_category(),
                          "weft: signal " + std::to_string(number) + " for process " +
                              std::to_string(pid_));
}

void child::kill_quietly() noexcept {
  try {
    send_signal(SIGKILL);
  } catch (...) { // of another user by now: it will end some day
  }
}

} // namespace weft::detail

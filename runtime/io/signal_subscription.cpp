// SPDX-License-Identifier: BSL-1.0
#include "runtime/io/signal_subscription.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <system_error>
#include <thread>

#include "weft/io.hpp"

namespace weft::detail {
namespace {

constexpr int signals = 64;

constexpr std::uint64_t bit_of(int number) noexcept {
  return std::uint64_t{1} << (number - 1);
}

/// A packet whose number is 0 says: look at `missed_`.
constexpr signal_arrival look_at_missed{};

bool send_packet(int end, const signal_arrival& packet) noexcept {
  return ::send(end, &packet, sizeof packet, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

} // namespace

/// What the subscriptions share: the handler's list, and the dispositions from before.
struct signal_registry {
  static void handle(int number, siginfo_t* info, void*) {
    const int error = errno;
    for (signal_subscription* s = first.load(std::memory_order_acquire); s; s = s->next_)
      s->arrived(number, *info);
    errno = error;
  }

  /// Under the mutex.
  static signal_subscription& unused() {
    for (signal_subscription* s = first.load(std::memory_order_relaxed); s; s = s->next_)
      if (!s->in_use_) return *s;
    auto* s = new signal_subscription;
    s->next_ = first.load(std::memory_order_relaxed);
    first.store(s, std::memory_order_release);
    return *s;
  }

  /// One more, or one less, wants each signal of `mask`. Under the mutex.
  static void add(std::uint64_t mask) {
    for (int number = 1; number <= signals; ++number) {
      if (!(mask & bit_of(number)) || wanted[number]++ != 0) continue;
      struct sigaction action {};
      action.sa_sigaction = &handle;
      action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
      ::sigfillset(&action.sa_mask); // the alternate stack has room for one
      if (::sigaction(number, &action, &previous[number]) == 0) continue;
      const int error = errno;
      --wanted[number];
      remove(mask & (bit_of(number) - 1));
      throw std::system_error(error, std::generic_category(),
                              "weft: sigaction of signal " + std::to_string(number));
    }
  }
  static void remove(std::uint64_t mask) noexcept {
    for (int number = 1; number <= signals; ++number) {
      if (!(mask & bit_of(number)) || --wanted[number] != 0) continue;
      struct sigaction now {};
      if (::sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
          now.sa_sigaction == &handle)
        ::sigaction(number, &previous[number], nullptr);
    }
  }

  // Signals wait meanwhile: the child's handler must not write to the parent's sockets.
  static void before_fork() noexcept {
    mutex.lock();
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &mask_before_fork);
  }
  static void after_fork_in_parent() noexcept {
    ::pthread_sigmask(SIG_SETMASK, &mask_before_fork, nullptr);
    mutex.unlock();
  }
  static void after_fork_in_child() noexcept {
    for (signal_subscription* s = first.load(std::memory_order_relaxed); s; s = s->next_)
      if (s->in_use_) s->renew_in_child();
    after_fork_in_parent();
  }

  static inline std::mutex mutex;
  static inline std::atomic<signal_subscription*> first{nullptr};
  static inline unsigned wanted[signals + 1] = {};
  static inline struct sigaction previous[signals + 1] = {};
  static inline sigset_t mask_before_fork = {};
};

signal_subscription& signal_subscription::open(std::uint64_t mask) {
  static const int once =
      ::pthread_atfork(&signal_registry::before_fork, &signal_registry::after_fork_in_parent,
                       &signal_registry::after_fork_in_child);
  static_cast<void>(once);
  const std::lock_guard held(signal_registry::mutex);
  signal_subscription& s = signal_registry::unused();
  if (!s.make_ends())
    throw std::system_error(errno, std::generic_category(), "weft: socketpair of a signal_set");
  s.missed_.store(0, std::memory_order_relaxed);
  s.mask_.store(mask, std::memory_order_seq_cst);
  s.in_use_ = true;
  try {
    signal_registry::add(mask);
  } catch (...) {
    s.stop();
    s.close_ends();
    throw;
  }
  s.holders_.store(1, std::memory_order_relaxed);
  return s;
}

void signal_subscription::close() noexcept {
  {
    const std::lock_guard held(signal_registry::mutex);
    signal_registry::remove(mask_.load(std::memory_order_relaxed));
    stop();
  }
  ::shutdown(ends_[0], SHUT_RDWR); // an end of file for who waits
  let_go();
}

void signal_subscription::let_go() noexcept {
  if (holders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const std::lock_guard held(signal_registry::mutex);
  close_ends();
}

/// No handler uses it any more.
void signal_subscription::stop() noexcept {
  mask_.store(0, std::memory_order_seq_cst);
  while (users_.load(std::memory_order_seq_cst) != 0)
    std::this_thread::yield();
}

/// Under the registry's mutex.
void signal_subscription::close_ends() noexcept {
  for (int& end : ends_)
    if (end >= 0) io::close(std::exchange(end, -1));
  in_use_ = false;
}

bool signal_subscription::make_ends() noexcept {
  // Packets: each is received whole, by one.
  return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_) == 0;
}

void signal_subscription::arrived(int number, const siginfo_t& info) noexcept {
  users_.fetch_add(1, std::memory_order_seq_cst);
  if (mask_.load(std::memory_order_seq_cst) & bit_of(number)) {
    signal_arrival packet{.number = number,
                          .code = info.si_code,
                          .sender = info.si_pid,
                          .user = info.si_uid,
                          .value = number == SIGCHLD ? info.si_status : info.si_value.sival_int};
    if (!send_packet(ends_[1], packet)) {
      missed_.fetch_or(bit_of(number), std::memory_order_seq_cst);
      // If there is room now, the reader may have looked at `missed_` in between. If there is
      // not, it will come by.
      send_packet(ends_[1], look_at_missed);
    }
  }
  users_.fetch_sub(1, std::memory_order_seq_cst);
}

std::optional<signal_arrival> signal_subscription::take() {
  signal_arrival packet;
  do {
    const ssize_t size = ::recv(ends_[0], &packet, sizeof packet, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return take_missed();
    if (size <= 0)
      throw std::system_error(size == 0 ? EBADF : errno, std::generic_category(),
                              "weft: wait of a signal_set that was destroyed");
  } while (packet.number == look_at_missed.number);
  return packet;
}

std::optional<signal_arrival> signal_subscription::take_missed() noexcept {
  std::uint64_t missed = missed_.load(std::memory_order_seq_cst);
  while (missed != 0) {
    const std::uint64_t lowest = missed & -missed;
    if (!missed_.compare_exchange_weak(missed, missed & ~lowest, std::memory_order_seq_cst))
      continue;
    return signal_arrival{.number = __builtin_ctzll(lowest) + 1, .code = SI_USER};
  }
  return std::nullopt;
}

/// The same numbers, which fibers and threads know, but sockets of the child's own; what was on
/// its way was the parent's.
void signal_subscription::renew_in_child() noexcept {
  users_.store(0, std::memory_order_relaxed);
  holders_.store(1, std::memory_order_relaxed); // nobody waits here
  if (mask_.load(std::memory_order_relaxed) == 0) return close_ends();
  missed_.store(0, std::memory_order_relaxed);
  const int inherited[2] = {ends_[0], ends_[1]};
  if (!make_ends()) {
    ends_[0] = ends_[1] = -1; // who waits learns of it
    ::close(inherited[0]);
    ::close(inherited[1]);
    return;
  }
  for (int i = 0; i < 2; ++i) {
    ::dup3(ends_[i], inherited[i], O_CLOEXEC);
    ::close(std::exchange(ends_[i], inherited[i]));
  }
}

} // namespace weft::detail

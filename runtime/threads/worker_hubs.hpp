// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <latch>
#include <thread>
#include <vector>

#include "runtime/sched/hub_group.hpp"
#include "weft/condition_variable.hpp"
#include "weft/mutex.hpp"

namespace weft::detail {

/// The hubs of a `run` with several workers. Each but the first has a thread, whose own fiber
/// waits here for orders, while the loop runs the fibers that come. The caller's own fiber gives
/// them; all methods are its.
class worker_hubs {
 public:
  /// Throws std::system_error if a thread, or what its hub needs, is not to be had.
  explicit worker_hubs(unsigned count);
  worker_hubs(const worker_hubs&) = delete;
  worker_hubs& operator=(const worker_hubs&) = delete;
  ~worker_hubs();

  void cancel_all_and_join();
  /// Whether this is a forked child, which has nothing of it.
  [[nodiscard]] bool lost() const noexcept;

 private:
  enum class order { wait, enter_group, cancel_all_and_join, join_all, leave_group, end };

  void start();
  void work(unsigned index) noexcept;
  void serve(hub* h, unsigned index);
  void give(order what);
  void wait_until_done();
  void end() noexcept;

  const std::uint32_t generation_; // of forks
  hub_group group_;
  std::latch started_;
  std::vector<std::thread> threads_;

  mutex mutex_;
  condition_variable changed_;
  // Under it:
  order order_ = order::wait;
  unsigned orders_ = 0;  // so far
  unsigned working_ = 0; // threads that are not through with the last one
  std::exception_ptr failure_;
  std::vector<std::uint64_t> made_; // blocks by each hub, when it was last found without fibers
};

} // namespace weft::detail

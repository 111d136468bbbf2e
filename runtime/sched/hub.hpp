// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "runtime/core/clock.hpp"
#include "runtime/core/context/context.hpp"
#include "runtime/core/list.hpp"
#include "runtime/core/reactor.hpp"
#include "runtime/core/timer_wheel.hpp"
#include "runtime/core/transfer_ring.hpp"
#include "runtime/sched/biased_lock.hpp"
#include "runtime/sched/block_pool.hpp"
#include "runtime/sched/carrier.hpp"
#include "runtime/sched/exception_state.hpp"
#include "runtime/sched/fiber_local.hpp"
#include "runtime/sched/homeless.hpp"
#include "runtime/sched/identity.hpp"
#include "runtime/sched/inbox.hpp"
#include "runtime/sched/ready_queue.hpp"
#include "weft/detail/blocking_call.hpp"
#include "weft/detail/state.hpp"

namespace weft {
class hub;
}

namespace weft::detail {

/// How a park ended.
enum class wake : std::uint8_t {
  woken, // by whoever was waited for
  timed_out,
  interrupted, // an exception is to be thrown here: see hub::throw_interrupt
};

/// Something a hub does at a time. `fire` runs on the hub's loop, out of the wheel.
struct hub_timer : core::timer {
  void (*fire)(hub&, hub_timer&) noexcept = nullptr;
  state* fiber = nullptr; // that is to hear of it, if any
};

/// A parked fiber's record, on its own stack.
struct park_record : hub_timer {
  blocking_call call = blocking_call::sleep;
  const state* waited_for = nullptr; // a fiber, for reports
  core::nanoseconds since = 0;       // the hub's clock, as of its last poll
  wake result = wake::woken;
  bool interruptible = true;
};

struct debugger_map;
class hub_group;
struct timed_call;
struct timeout_record;

/// A queue item that is no fiber: `run` is called on the hub's loop and may not park.
struct callback_item : ready_item {
  callback_item() noexcept { where = phase::callback; }
  void (*run)(callback_item&) noexcept = nullptr;
};

/// What few fibers have.
struct fiber_extras {
  std::string name;
  std::exception_ptr interrupt;        // for throw_requested
  hub_timer* start_timer = nullptr;    // of one that starts later
  timeout_record* timeouts = nullptr;  // of the innermost open scope
  std::vector<std::stop_source> stops; // to be told of a request to cancel
  std::unique_ptr<local_store> locals; // of fiber_locals
};

/// Tells those who have tokens of these. Their callbacks may not block.
void request_stops(const std::vector<std::stop_source>& stops) noexcept;

/// The calling thread's hub, or null. Read anew after every switch by calling it: the hub's
/// thread may be a green one, which moves between kernel threads with its TLS.
extern thread_local constinit hub* this_hub [[gnu::tls_model("initial-exec")]];

} // namespace weft::detail

namespace weft {

/// The scheduler of one thread. Everything here belongs to that thread unless it says otherwise.
///
/// `ready_` is one queue. What a fiber makes ready between two switches (spawned children, woken
/// waiters) is a batch, which goes, in its order, to the front: children before older cousins,
/// and a joiner next. Every so many batches one goes to the back, and every so many switches the
/// loop polls, so that nobody starves. Whoever yields, and what the loop itself wakes (I/O,
/// timers, other threads), goes to the back.
class [[gnu::visibility("hidden")]] hub : public core::list_hook<> {
 public:
  hub();
  hub(const hub&) = delete;
  hub& operator=(const hub&) = delete;

  /// The calling thread's hub, made if there is none.
  static hub& here() {
    if (detail::this_hub) [[likely]]
      return *detail::this_hub;
    return make_for_this_thread();
  }

  // Fibers -----------------------------------------------------------------

  /// The fiber that runs; null inside a callback.
  [[nodiscard]] detail::state* running() const noexcept {
    return running_;
  }
  /// The same; throws std::logic_error inside a callback, which may not block.
  detail::state& running_or_throw() const {
    if (!running_) [[unlikely]]
      refuse_in_callback();
    return *running_;
  }
  /// Queues a fiber or callback that is in no queue.
  void make_ready(detail::ready_item & item) noexcept {
    (running_ ? fresh_ : ready_).push_back(item);
  }
  /// The same, but behind everything that is ready, as who yields.
  void make_ready_last(detail::ready_item & item) noexcept {
    ready_.push_back(item);
  }

  void yield();

  /// For WEFT_GO_BACK_AS_PREDICTED.
  const void*& last_to_park_in_channel() noexcept {
    return last_to_park_in_channel_;
  }

  /// If this thread's calls are the patch's by now, fibers get identities.
  void look_for_patch() noexcept;

  /// Calls `f` as if from the loop: it may not park.
  template <class F>
  void as_callback(F && f) noexcept {
    detail::state* const fiber = std::exchange(running_, nullptr);
    f();
    running_ = fiber;
  }

  // Parking: the one way to wait ---------------------------------------------

  /// Parks the running fiber until `unpark`, `deadline` or a request to throw in it. A request that
  /// may not be thrown here (while unwinding, inside a noexcept function or destructor) stays
  /// pending and does not end the park. Does not throw but for std::logic_error inside a callback.
  ///
  /// Whoever gets `timed_out` or `interrupted` must take itself out of what it waited on and
  /// see whether it was woken at the same time: then the wake-up counts.
  detail::wake park(core::nanoseconds deadline, detail::blocking_call call,
                    const detail::state* waited_for = nullptr, bool interruptible = true);

  /// Makes a parked fiber of this hub ready; no effect on one that is not parked any more.
  void unpark(detail::state & fiber, detail::wake result = detail::wake::woken) noexcept {
    if (fiber.where != detail::phase::parked) {
      // Ready already for another reason, and not there yet to see it: a wake-up is not lost.
      if (fiber.parked_at && result == detail::wake::woken) fiber.parked_at->result = result;
      return;
    }
    detail::park_record& at = *fiber.parked_at;
    at.result = result;
    if (at.linked()) wheel_.cancel(at);
    fiber.where = detail::phase::ready;
    make_ready(fiber);
  }

  /// Start of a blocking call: throws what was requested, if it may be thrown here.
  void switch_point() {
    if (running_or_throw().has(detail::interrupt_requested)) [[unlikely]]
      throw_pending_interrupt();
  }
  /// Throws what was requested: after `park` gave `interrupted`.
  [[noreturn]] void throw_interrupt();
  /// Asks the fiber, which is of this hub, to throw `error` (null: `cancelled`) at its current
  /// or next switch point. False if it is done.
  bool interrupt(detail::state & fiber, std::exception_ptr error) noexcept;
  /// Tells those who asked that the fiber is to end. They may not block.
  void request_stop(detail::state & fiber) noexcept;
  /// The time of one of the fiber's scopes is over: to be thrown likewise.
  void request_timeout(detail::state & fiber) noexcept;

  // Timers, descriptors, other threads ---------------------------------------

  /// `timer.deadline` is set.
  void insert(detail::hub_timer & timer) noexcept {
    wheel_.insert(timer);
  }
  bool cancel(detail::hub_timer & timer) noexcept {
    return wheel_.cancel(timer);
  }
  /// The clock as of the last poll.
  [[nodiscard]] core::nanoseconds now() const noexcept {
    return now_;
  }

  [[nodiscard]] core::reactor& reactor() noexcept {
    return *reactor_;
  }
  /// Where transfers are made together; null: each is made by itself.
  [[nodiscard]] core::transfer_ring* transfers() noexcept {
    return transfers_ ? &*transfers_ : nullptr;
  }
  /// Whether a transfer that waits for the next turn is likely to be made together with others.
  [[nodiscard]] bool has_company() const noexcept {
    return transfers_->is_busy() && (!transfers_->empty() || !ready_.empty());
  }

  /// Has `item` delivered on the hub's thread. Any thread. False if the hub has ended; then the
  /// item still belongs to the caller.
  bool post(detail::inbox_item & item) noexcept; // the caller knows that the object is alive
  [[nodiscard]] bool takes_messages() const noexcept {
    return !inbox_.is_closed();
  }

  /// Timed calls of this hub, so that its end can drop them.
  core::list<detail::timed_call>& timed_calls() noexcept {
    return timed_calls_;
  }

  /// Keeps this object (not its thread) alive. Any thread.
  void keep() noexcept;
  void drop() noexcept;

  // Many hubs ----------------------------------------------------------------

  /// From now on it takes what the others of the group share, as member `index`.
  void enter_group(detail::hub_group & group, unsigned index) noexcept;
  /// At the end of `run`: shares with nobody, and what is spawned from now on lives.
  void leave_group() noexcept {
    group_ = nullptr;
    place_ = 0;
    cancels_all_ = false;
  }
  /// Null: it shares with nobody.
  [[nodiscard]] detail::hub_group* group() const noexcept {
    return group_;
  }
  /// Its place in the group.
  [[nodiscard]] unsigned place() const noexcept {
    return place_;
  }
  /// Queues a fiber that was made elsewhere, or is to be seen by all: from now on it is this hub's.
  void take_in(detail::homeless_fiber & fiber) noexcept;
  /// Ends its wait for events, or the next one. Any thread, while it announces that it sleeps.
  void interrupt_sleep() noexcept {
    reactor_->interrupt();
  }
  /// How many fibers and promises it ever had.
  [[nodiscard]] std::uint64_t blocks_made() const noexcept {
    return next_id_ + taken_in_;
  }
  std::uint64_t next_id() noexcept {
    return next_id_++;
  }

  /// Guards of `external_work`: while there are any, waiting for ever is no deadlock. Any thread.
  std::atomic<std::uint32_t> external_work{0};

  // Blocks -----------------------------------------------------------------

  /// A fiber's block, unstarted, in no queue: one count is the handle's, one the fiber's.
  detail::state& allocate_fiber(const detail::state_type& type) {
    detail::state& s = allocate_block(type);
    s.where = detail::phase::unstarted;
    s.local_refs = 2;
    s.flags.store(first_flags_, std::memory_order_relaxed);
    ++fibers_;
    return s;
  }
  /// One that was never queued is to be destroyed.
  void forget_fiber() noexcept {
    --fibers_;
  }
  /// A promise's block: one count is the handle's.
  detail::state& allocate_block(const detail::state_type& type) {
    detail::state& s = *blocks_.allocate();
    s.home = this;
    s.type = &type;
    s.local_refs = 1;
    s.id = next_id_++;
    s.spawner = running_ ? running_->id : 0;
    return s;
  }
  /// Of a fiber that asks for nothing: under the patch one with identity.
  [[nodiscard]] std::uint32_t default_class() const noexcept {
    return default_class_;
  }
  [[nodiscard]] bool makes_identities() const noexcept {
    return host_ != nullptr;
  }
  /// Queues one whose time to start has come.
  void start_now(detail::state & fiber) noexcept;
  /// Gives back a block which has no handles. Any thread.
  void free_block(detail::state & block) noexcept;
  /// The same on this hub's thread.
  void free_block_at_home(detail::state & block) noexcept {
    blocks_.release(block);
  }
  detail::biased_lock& state_lock() noexcept {
    return state_lock_;
  }
  /// Under the state lock.
  std::uint64_t next_completion() noexcept {
    return ++finished_;
  }

  template <class F>
  void for_each_fiber(F && visit) {
    blocks_.for_each([&](detail::state& s) {
      using detail::phase;
      if (s.where != phase::promise && s.where != phase::finished) visit(s);
    });
    visitors_.for_each(visit);
  }
  /// How many are not at their ends, the thread's own left out.
  [[nodiscard]] std::size_t fibers() const noexcept {
    return fibers_;
  }
  [[nodiscard]] detail::state& thread_fiber() const noexcept {
    return *thread_fiber_;
  }
  [[nodiscard]] std::uint32_t number() const noexcept {
    return number_;
  }
  /// The kernel's number of its thread. Any thread, as are the next two.
  [[nodiscard]] int thread_id() const noexcept {
    return thread_id_;
  }
  /// How often the loop had its turn: does not change while one fiber or callback keeps the thread.
  [[nodiscard]] std::uint64_t turns() const noexcept {
    return turns_.load(std::memory_order_relaxed);
  }
  /// Whether it waits for events, with nothing of its own that could end that. As long as it says
  /// so and nobody posts anything, its fibers stay as they are.
  [[nodiscard]] bool sleeps_for_ever() const noexcept {
    return sleeps_for_ever_.load(std::memory_order_seq_cst) && inbox_.empty();
  }
  /// Whether it waits for events.
  [[nodiscard]] bool sleeps() const noexcept {
    return sleeping_.load(std::memory_order_relaxed);
  }
  /// Usable bytes of the fiber's stack; 0 if that is not known.
  [[nodiscard]] std::size_t stack_size(const detail::state& fiber) const noexcept;
  /// Of which a fiber is that asks for `asked` (0: nothing) and, perhaps, for no identity. Throws
  /// std::bad_alloc.
  [[nodiscard]] std::uint32_t class_of(std::uint32_t asked, bool light) {
    if (host_ && !light) return detail::identity_class + asked;
    const std::uint32_t stack_class = asked ? asked : detail::default_stack_class();
    carriers(stack_class); // so that no switch has to make the pool
    return stack_class;
  }
  /// The pool of a stack size; throws std::bad_alloc.
  detail::carrier_pool& carriers(std::uint32_t stack_class) {
    auto& pool = carriers_[stack_class];
    if (!pool) [[unlikely]]
      pool = std::make_unique<detail::carrier_pool>(*this, stack_class);
    return *pool;
  }

  /// Every fiber's entry.
  static void run_carrier(core::transfer from);
  /// The same of one with identity.
  static void* run_identity(void* identity);

  /// Cancels every fiber, and waits until all are at their end. From the thread's own fiber. What
  /// is spawned meanwhile is joined as well, and cancelled only if its spawner does not know yet
  /// that it is to end: otherwise it is part of somebody's cleaning up.
  void cancel_all_and_join(bool interruptible);
  [[nodiscard]] bool cancels_all() const noexcept {
    return cancels_all_;
  }
  void join_all(bool interruptible);

  /// Ends the hub of the calling thread, whose own fiber calls.
  void end() noexcept;
  /// In a forked child: only the running fiber of the calling thread's hub lives on.
  static void reset_after_fork() noexcept;

 private:
  friend struct detail::debugger_map;

  // A batch of fresh fibers overtakes older ready ones; every so often one does not. Rarely, since
  // a tree of fibers that is walked depth first has a path of stacks for each batch left behind.
  static constexpr int batches_between = 2048;

  static hub& make_for_this_thread();
  ~hub() = default;
  [[noreturn]] static void refuse_in_callback();

  // switch.cpp
  /// Queues what the running fiber made ready since it was switched to, as one batch.
  void queue_batch() noexcept {
    if (--batches_left_ > batches_left_at_end_) [[likely]] {
      batch_end_ = fresh_.back();
      ready_.splice_front(fresh_);
    } else {
      batches_left_ = batches_between;
      batches_left_at_end_ = 0;
      last_batch_to_back_ = now_;
      ready_.splice_back(fresh_);
    }
  }
  detail::ready_item* take_ready() noexcept {
    detail::ready_item* item = ready_.pop_front();
    if (item == batch_end_) batch_end_ = nullptr;
    return item;
  }
  detail::ready_item& pick() noexcept;
  void* context_of(detail::ready_item * &item) noexcept;
  void* context_to_start(detail::ready_item * &item) noexcept;
  void switch_from(detail::state & self) noexcept;
  void park_until_throwable(detail::park_record & record);
  void jump_from_handler(void* to, detail::state& self, detail::ready_item& next) noexcept;
  void jump(void* to, void** save, detail::execution& from, detail::execution& target) noexcept;
  detail::execution& execution_of(detail::ready_item & item) noexcept;
  void run_fiber(detail::state & self) noexcept;
  void finish(detail::state & self, detail::outcome_kind outcome) noexcept;
  void finish_slowly(detail::state & self, detail::outcome_kind outcome) noexcept;
  void finish_homeless(detail::homeless_fiber & self, detail::outcome_kind outcome) noexcept;
  void wake_waiters(detail::completion * waiters) noexcept;
  void resume_from_loop(detail::ready_item & item, void* context) noexcept;
  void throw_pending_interrupt();
  static std::exception_ptr take_interrupt(detail::state & fiber) noexcept;

  // identity.cpp
  [[nodiscard]] bool make_identity(detail::state & fiber) noexcept;
  void enter_identity(detail::state & fiber) noexcept;
  void end_before_begin(detail::state & fiber) noexcept;
  void leave_identity(detail::identity & id, void* to, detail::execution& target) noexcept;
  void leave_identity_for_loop(detail::identity & id) noexcept;
  void finish_identity(detail::identity & id) noexcept;
  void free_identity(detail::identity & id) noexcept;
  void take_woken_fibers() noexcept;
  static void identity_ended(void* fiber);
  static int park_in_call(void* fiber, weft_park how);

  // hub_sharing.cpp
  bool take_shared() noexcept;
  [[nodiscard]] bool can_be_woken_by_group() const noexcept;
  void search_and_sleep(core::nanoseconds until, bool for_ever) noexcept;

  // loop.cpp
  static void run_loop(core::transfer from);
  void start_loop();
  void loop();
  void poll_between_fibers() noexcept;
  void fail_to_start(detail::state & fiber) noexcept;
  void wait_for_events() noexcept;
  static void descriptor_ready(core::io_waiter & w) noexcept;
  void poll_descriptors(core::nanoseconds until) noexcept;
  void fire_timers() noexcept;
  void audit_descriptors() noexcept;
  void drain_inbox() noexcept;
  void collect_foreign_blocks() noexcept;
  void trim_carriers() noexcept;
  [[nodiscard]] bool can_be_woken() const noexcept;
  void report_deadlock() noexcept;
  std::string describe_deadlock();
  void close_inbox() noexcept;
  void drop_timed_calls() noexcept;
  void destroy_if_unused(std::unique_lock<std::mutex> & held) noexcept;
  void lose_other_fibers(bool mine) noexcept;

  detail::state* running_ = nullptr;
  const void* last_to_park_in_channel_ = nullptr;
  detail::ready_queue fresh_; // made ready by the running fiber since it was switched to
  detail::ready_queue ready_;
  detail::ready_item* batch_end_ = nullptr; // last of the batch at the front, while in ready_
  int switches_left_ = 0;                   // until the loop polls
  int switches_between_polls_ = 64;
  int batches_left_ = 0;                // until one goes to the back, at the latest
  int batches_left_at_end_ = 0;         // where it does
  detail::exception_state* exceptions_; // of the running fiber's thread: see `identity`
  int* errno_;
  core::nanoseconds now_;
  std::array<std::unique_ptr<detail::carrier_pool>, detail::stack_classes> carriers_;

  detail::state* starting_ = nullptr; // whose carrier is jumped to for the first time
  detail::ready_item loop_;           // where the loop is suspended
  std::unique_ptr<core::stack_pool> loop_stacks_;
  core::stack loop_stack_;
  detail::execution loop_as_;
  detail::execution thread_as_;
  detail::state* thread_fiber_ = nullptr;
  std::size_t fibers_ = 0; // not finished, the thread's own left out
  std::uint64_t next_id_ = 0;
  std::uint32_t number_ = 0;
  int thread_id_;
  std::uint16_t first_flags_ = 0; // of a new fiber; cancelled at birth once the hub ends
  std::uint32_t default_class_;
  detail::state* joining_all_ = nullptr; // who waits until `fibers_` is 0
  core::nanoseconds last_descriptor_poll_ = 0;
  core::nanoseconds last_batch_to_back_ = 0;
  core::nanoseconds next_audit_ = 0; // of the reactor; 0: none is due

  // Under the patch.
  const weft_patch_table* patch_ = nullptr;
  weft_fiber_host* host_ = nullptr; // null: no fiber has an identity
  detail::exception_state* thread_exceptions_;
  detail::identity* left_ = nullptr; // left for ever, to be freed by the loop
  std::size_t parked_in_calls_ = 0;

  // Of a group.
  detail::hub_group* group_ = nullptr;
  unsigned place_ = 0;
  bool cancels_all_ = false;
  std::uint64_t taken_in_ = 0;
  core::list<detail::homeless_fiber> visitors_; // homeless ones that it runs

  core::timer_wheel wheel_;
  std::optional<core::reactor> reactor_;
  std::optional<core::transfer_ring> transfers_;
  bool interrupt_prepared_ = false;
  core::list<detail::timed_call> timed_calls_;
  detail::block_pool blocks_;

  // Others write here.
  detail::biased_lock state_lock_;
  std::uint64_t finished_ = 0; // under state_lock_: outcomes so far
  alignas(64) detail::inbox inbox_;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> sleeps_for_ever_{false}; // of a group's
  std::atomic<std::uint64_t> turns_{0};      // of the loop; written by the owner alone
  std::atomic<std::uint32_t> posting_{0};    // threads inside `post`
  std::atomic<bool> foreign_freed_some_{false};
  std::mutex end_mutex_;
  // Under end_mutex_:
  detail::ready_item* foreign_freed_ = nullptr; // blocks freed on other threads
  std::size_t keepers_ = 0;
  bool ended_ = false;
  std::size_t blocks_left_ = 0; // once ended
};

} // namespace weft

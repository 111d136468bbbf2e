// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/system_error.hpp>

#include <weft/coroutine.hpp>
#include <weft/current.hpp>
#include <weft/promise.hpp>
#include <weft/sleep.hpp>
#include <weft/task.hpp>

/// Boost.Asio in fibers. Not part of <weft/weft.hpp>: only for those who have Boost.Asio, 1.77 or
/// newer.
namespace [[gnu::visibility("default")]] weft {

/// `use_fiber(error)`: errors go there instead of being thrown.
class use_fiber_with_error {
 public:
  explicit use_fiber_with_error(boost::system::error_code& error) noexcept : error_(&error) {}
  /// Not part of the interface.
  [[nodiscard]] boost::system::error_code* internal_error() const noexcept { return error_; }

 private:
  boost::system::error_code* error_;
};

/// See use_fiber.
struct use_fiber_t {
  constexpr use_fiber_t() noexcept = default;
  /// For asio::redirect_error's purpose, shorter.
  use_fiber_with_error operator()(boost::system::error_code& error) const noexcept {
    return use_fiber_with_error(error);
  }
  [[nodiscard]] static boost::system::error_code* internal_error() noexcept { return nullptr; }
};

/// A completion token: the asynchronous operation becomes a call that parks the fiber until it is
/// done. Gives what the operation completes with beyond the error (nothing, a value, or a tuple of
/// several); the error is thrown as boost::system::system_error, an exception_ptr is rethrown.
/// Model: asio::yield_context, boost::fibers::asio::yield.
///
///     boost::asio::io_context io;
///     weft::io_context_thread runs{io};
///
///     tcp::socket socket{io};
///     socket.async_connect(server, weft::use_fiber);
///     boost::asio::async_write(socket, boost::asio::buffer(request), weft::use_fiber);
///     boost::system::error_code error;
///     std::size_t n = boost::asio::async_read(socket, boost::asio::buffer(reply),
///                                             weft::use_fiber(error));
///
/// Parks the fiber, or blocks a thread without a hub; a switch point if it must wait. In a
/// callback: std::logic_error. Somebody else has to run the io_context: a thread (see
/// io_context_thread) or a fiber (see run_in_fiber). If that ends for good with the operation
/// pending: `broken_promise`.
///
/// When the fiber is cancelled (or is to get another exception) the operation is cancelled by its
/// cancellation slot, on the I/O object's executor, and waited for, since it uses the caller's
/// buffers. If it was aborted by that, the fiber's exception is thrown; an operation that ended
/// otherwise is not lost: its result or error is given, and the request stays pending.
/// Where several threads run the io_context, give I/O objects that fibers are cancelled on a
/// strand as their executor: asio's cancellation signals are not synchronised.
///
/// An operation is begun on the fiber's thread. That one I/O object must not be used by two threads
/// at once is asio's rule: a fiber that reads while another one writes to the same socket wants a
/// strand too, or run_in_fiber.
inline constexpr use_fiber_t use_fiber{};

/// Runs an io_context on a thread of its own for as long as it exists: the recommended set-up. What
/// completes there wakes fibers of whatever hub began it. The destructor stops the io_context and
/// joins the thread. An exception that leaves a handler ends the process.
class io_context_thread {
 public:
  explicit io_context_thread(boost::asio::io_context& context)
      : context_(context), work_(context.get_executor()), thread_([&context] { context.run(); }) {}
  io_context_thread(const io_context_thread&) = delete;
  io_context_thread& operator=(const io_context_thread&) = delete;
  ~io_context_thread() {
    context_.stop();
    thread_.join();
  }

 private:
  boost::asio::io_context& context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

/// Runs an io_context in the fiber that calls, until it has no more work or is stopped: all on one
/// thread, so that nothing needs a strand. asio tells nobody when it has something to do: while it
/// has not, it is looked at every `idle`, by which completions may be late. A switch point.
///
///     auto poller = weft::spawn([&] { weft::run_in_fiber(io); });
inline void run_in_fiber(boost::asio::io_context& context,
                         std::chrono::nanoseconds idle = std::chrono::milliseconds(1)) {
  while (!context.stopped()) {
    if (context.poll() == 0)
      sleep(idle);
    else
      yield();
  }
}

namespace detail {

template <class... Results>
struct asio_handler {
  using cancellation_slot_type = boost::asio::cancellation_slot;

  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return slot; }
  template <class... Args>
  void operator()(Args&&... results) {
    done.set_value(std::tuple<Results...>(std::forward<Args>(results)...));
  }

  promise<std::tuple<Results...>> done;
  boost::asio::cancellation_slot slot;
};

/// Throws it at the next switch point instead.
inline void request_again(const std::exception_ptr& interrupt) {
  const any_task self = current();
  try {
    std::rethrow_exception(interrupt);
  } catch (const cancelled&) {
    self.cancel();
  } catch (...) {
    throw_into(self, interrupt);
  }
}

template <class Executor>
void emit_on(const Executor& executor,
             const std::shared_ptr<boost::asio::cancellation_signal>& signal) {
  if constexpr (std::is_same_v<Executor, boost::asio::system_executor>) // it names none
    signal->emit(boost::asio::cancellation_type::all);
  else
    boost::asio::post(executor, [signal] { signal->emit(boost::asio::cancellation_type::all); });
}

/// Begins the operation, waits for its end, gives what its handler was given.
template <class... Results, class Initiation, class... Args>
std::tuple<Results...> run_asio_operation(Initiation&& initiation, Args&&... args) {
  check_may_block();
  const auto signal = std::make_shared<boost::asio::cancellation_signal>();
  const auto executor = boost::asio::get_associated_executor(initiation);
  asio_handler<Results...> handler{{}, signal->slot()};
  auto done = handler.done.get_future();
  std::forward<Initiation>(initiation)(std::move(handler), std::forward<Args>(args)...);
  const std::exception_ptr interrupt = wait_passing_on(
      *done.internal_state(), [&] { emit_on(executor, signal); }, nullptr);
  auto results = std::move(done).get();
  if (interrupt) {
    if constexpr (sizeof...(Results) > 0)
      if constexpr (std::is_same_v<std::tuple_element_t<0, std::tuple<Results...>>,
                                   boost::system::error_code>)
        if (std::get<0>(results) == boost::asio::error::operation_aborted)
          std::rethrow_exception(interrupt);
    request_again(interrupt);
  }
  return results;
}

/// What an operation gives of the results behind its error: nothing, one, or a tuple.
template <class... Results>
struct asio_results {
  using type = std::tuple<Results...>;
};
template <>
struct asio_results<> {
  using type = void;
};
template <class Result>
struct asio_results<Result> {
  using type = Result;
};
template <class... Rest>
struct asio_results<boost::system::error_code, Rest...> : asio_results<Rest...> {};
template <>
struct asio_results<boost::system::error_code> : asio_results<> {};
template <class... Rest>
struct asio_results<std::exception_ptr, Rest...> : asio_results<Rest...> {};
template <>
struct asio_results<std::exception_ptr> : asio_results<> {};

template <std::size_t Skip, class... Results>
auto without_first(std::tuple<Results...>&& results) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    if constexpr (sizeof...(I) == 1)
      return (std::move(std::get<Skip + I>(results)), ...);
    else if constexpr (sizeof...(I) > 1)
      return std::make_tuple(std::move(std::get<Skip + I>(results))...);
  }
  (std::make_index_sequence<sizeof...(Results) - Skip>{});
}

template <class... Args>
struct asio_result {
  using return_type = typename asio_results<std::decay_t<Args>...>::type;

  template <class Initiation, class Token, class... InitArgs>
  static return_type initiate(Initiation&& initiation, [[maybe_unused]] const Token& token,
                              InitArgs&&... args) {
    auto results = run_asio_operation<std::decay_t<Args>...>(std::forward<Initiation>(initiation),
                                                             std::forward<InitArgs>(args)...);
    if constexpr (sizeof...(Args) > 0) {
      using first = std::tuple_element_t<0, std::tuple<std::decay_t<Args>...>>;
      if constexpr (std::is_same_v<first, boost::system::error_code>) {
        const boost::system::error_code error = std::get<0>(results);
        if (boost::system::error_code* const out = token.internal_error())
          *out = error;
        else if (error)
          throw boost::system::system_error(error);
        return without_first<1>(std::move(results));
      } else if constexpr (std::is_same_v<first, std::exception_ptr>) {
        if (std::get<0>(results)) std::rethrow_exception(std::get<0>(results));
        return without_first<1>(std::move(results));
      } else {
        return without_first<0>(std::move(results));
      }
    }
  }
};

} // namespace detail
} // namespace weft

template <class... Args>
class boost::asio::async_result<weft::use_fiber_t, void(Args...)>
    : public weft::detail::asio_result<Args...> {};
template <class... Args>
class boost::asio::async_result<weft::use_fiber_with_error, void(Args...)>
    : public weft::detail::asio_result<Args...> {};

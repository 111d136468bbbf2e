// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

/// What weft throws. Misuse is a std::logic_error whose text tells the remedy; the system's
/// failures are std::system_error; what asks a fiber to end is no std::exception at all.
namespace [[gnu::visibility("default")]] weft {

/// Thrown inside a fiber that was cancelled, at a switch point. Deliberately not derived from
/// std::exception (Python: BaseException), so that `catch (const std::exception&)` does not
/// swallow it by accident. Let it pass, or clean up and rethrow it; a fiber that catches it and
/// returns a value has refused the request, and its value counts.
class cancelled {};

/// `get()` of something that was cancelled. A std::exception, so that it is never mistaken for
/// the caller's own cancellation (asyncio.CancelledError, gevent.GreenletExit as a result).
class task_cancelled : public std::exception {
 public:
  explicit task_cancelled(std::string what) : what_(std::move(what)) {}
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

/// Several exceptions at once: what `task_group::join` throws if more than one task failed. Model:
/// Python's ExceptionGroup.
class exception_group : public std::exception {
 public:
  /// `errors`: not null, in the order in which they came.
  explicit exception_group(std::vector<std::exception_ptr> errors);
  /// How many, and the type and text of each.
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }
  [[nodiscard]] const std::vector<std::exception_ptr>& errors() const noexcept { return errors_; }

 private:
  std::vector<std::exception_ptr> errors_;
  std::string what_;
};

/// A deadline came before what was waited for.
class timeout_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// "this operation would block for ever": nothing that is left could wake the caller. Thrown in
/// the thread's own fiber when every fiber of its hub waits and nothing can wake one (the text
/// lists them), and at once in a fiber that joins itself (gevent's LoopExit).
class deadlock_error : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// A future or promise used against its rules: set twice, read before it is done, used while
/// empty (asyncio.InvalidStateError).
class future_error : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// `get()` of a future whose promise went away unset.
class broken_promise : public future_error {
 public:
  using future_error::future_error;
};

/// `put` into a queue that was closed, or `get` from one that is empty as well.
class queue_closed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// `send` into a channel that was closed.
class channel_closed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Called with what nobody else will see: an exception that ended a task whose last handle went
/// without anyone looking, or one that left a callback. `where` names the fiber or the callback.
/// Must not throw and must not block; may be called on any thread.
using error_handler = void (*)(const char* where, std::exception_ptr error) noexcept;

/// Installs `handler` for the process and returns the one before; null restores the default,
/// which writes one line to standard error. Any thread.
error_handler set_error_handler(error_handler handler) noexcept;

} // namespace weft

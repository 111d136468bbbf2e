// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <weft/deadline.hpp>
#include <weft/stream.hpp>

namespace [[gnu::visibility("default")]] weft {

namespace detail {
class child;
struct conversation;
} // namespace detail

/// How a process ended.
class exit_status {
 public:
  /// As after `exit(0)`.
  exit_status() noexcept = default;
  /// What wait(2) gave.
  explicit exit_status(int wait_status) noexcept : raw_(wait_status) {}

  /// It ended by itself and gave 0.
  [[nodiscard]] bool success() const noexcept { return raw_ == 0; }
  /// What it gave to `exit`; empty if a signal ended it.
  [[nodiscard]] std::optional<int> code() const noexcept;
  /// The signal that ended it, if one did.
  [[nodiscard]] std::optional<int> signal() const noexcept;
  [[nodiscard]] bool core_dumped() const noexcept;
  /// Python's returncode: the code, or the signal's number below zero.
  [[nodiscard]] int returncode() const noexcept { return code() ? *code() : -*signal(); }
  /// "exit status 3", "signal 9 (Killed)".
  [[nodiscard]] std::string describe() const;
  /// As wait(2) gives it.
  [[nodiscard]] int raw() const noexcept { return raw_; }
  friend bool operator==(const exit_status&, const exit_status&) = default;

 private:
  int raw_ = 0;
};

/// What one of a child's standard descriptors is connected to.
class stdio {
 public:
  enum kind : std::uint8_t {
    inherit,   // the caller's own
    pipe,      // a pipe, whose other end is the caller's: see subprocess::in, out, err
    null,      // /dev/null
    to_stdout, // of err only: where out goes (2>&1)
    number,    // a descriptor of the caller's
  };
  constexpr stdio(kind k) noexcept : kind_(k) {}
  /// The child gets a duplicate; the caller's stays open.
  constexpr stdio(int fd) noexcept : kind_(number), fd_(fd) {}

  [[nodiscard]] constexpr kind what() const noexcept { return kind_; }
  [[nodiscard]] constexpr int fd() const noexcept { return fd_; }

 private:
  kind kind_;
  int fd_ = -1;
};

using environment_variables = std::map<std::string, std::string>;
/// This process's, to be changed and given to a child.
[[nodiscard]] environment_variables current_environment();

/// How a child is to be run.
struct process_options {
  stdio in = stdio::inherit;
  stdio out = stdio::inherit;
  stdio err = stdio::inherit;
  /// Its working directory; empty: the caller's. A program named by a relative path is looked for
  /// from there.
  std::string directory = {};
  /// All its environment; empty optional: the caller's.
  std::optional<environment_variables> environment = {};
  /// Descriptors that it gets under the same numbers. All others but 0, 1 and 2 are closed in it,
  /// whether they are marked close-on-exec or not.
  std::vector<int> keep = {};
  /// A session of its own (setsid), without a terminal to control it.
  bool new_session = false;
  /// A process group of its own: `::kill(-child.pid(), SIGTERM)` reaches all of it.
  bool new_group = false;
  /// No signal is blocked and each has its default effect, also one that the caller ignores. False:
  /// as usual, what the caller blocks or ignores stays so.
  bool reset_signals = true;
};

/// What a child wrote, and how it ended.
struct process_output {
  exit_status status = {};
  std::string out = {}; // empty if that was no pipe
  std::string err = {};
  bool timed_out = false; // `run` only: it was killed, since its time was over
};

/// `run` with `check` of a child that failed. Model: Python's CalledProcessError.
class process_error : public std::runtime_error {
 public:
  process_error(const std::string& what, process_output output);
  [[nodiscard]] const process_output& output() const noexcept { return *output_; }

 private:
  std::shared_ptr<const process_output> output_; // an exception is copied without throwing
};

/// As process_options, and:
struct run_process_options {
  /// Written to the child's standard input, which is then a pipe and closed at its end.
  std::string_view input = {};
  stdio in = stdio::inherit;
  stdio out = stdio::pipe;
  stdio err = stdio::inherit;
  /// When it comes first the child is killed, and `timed_out` is set; what it wrote is kept.
  deadline timeout = {};
  /// Throw `process_error` unless the child ends with 0.
  bool check = false;
  std::string directory = {};
  std::optional<environment_variables> environment = {};
  std::vector<int> keep = {};
  bool new_session = false;
  bool new_group = false;
  bool reset_signals = true;
};

/// The arguments that have the shell run a command. What comes from elsewhere does not belong into
/// `command`: the shell would obey it.
[[nodiscard]] inline std::vector<std::string> shell(std::string command) {
  return {"/bin/sh", "-c", std::move(command)};
}

/// Another program, run beside this one. Model: Python's subprocess.Popen, gevent.subprocess and
/// asyncio.subprocess.
///
///     auto listing = weft::subprocess::run({"ls", "/"}, {.timeout = 10s, .check = true});
///     std::cout << listing.out;
///
///     weft::subprocess sorter({"sort"}, {.in = weft::stdio::pipe, .out = weft::stdio::pipe});
///     sorter.in().write_all("pear\napple\n");
///     sorter.in().close();
///     while (auto line = sorter.out().read_line()) std::cout << *line << "\n";
///     sorter.wait();
///
/// - Waiting parks the fiber, or blocks a thread without a hub, and is a switch point, unless the
///   child is at its end already. A fiber that is cancelled leaves the child alone. Starting one
///   holds the thread up until the program is loaded, as posix_spawn(3) does; it is no switch
///   point. A wait is never a deadlock.
/// - **The destructor** closes the pipes, kills the child (SIGKILL) if it still runs, and does not
/// wait:
///   a thread of weft's takes its status, so that no zombie stays. Whoever leaves a scope by an
///   exception, a cancelled fiber for instance, hence leaves no process behind. `detach` first to
///   let it run on. When this process ends, children run on.
/// - Pipes are closed on exec: no child holds another one's. Beware, as everywhere, of waiting for
///   one that waits for you: a child that writes more than a pipe holds (64 KiB) does not end
///   before it is read; `communicate` does both.
/// - In a forked child the objects stand for nothing: waiting gives std::system_error (ECHILD), and
///   the destructor leaves the process alone.
/// - The program must not reap weft's children: with SIGCHLD ignored, or `wait(-1)` called, the
///   status is lost, and waiting throws std::system_error (ECHILD).
///
/// `wait`, `try_wait`, `send_signal`, `terminate` and `kill` may be called by any number of fibers
/// and threads at a time; a stream's rules are told in stream.hpp; all else belongs to one.
class [[nodiscard]] subprocess {
 public:
  /// Runs a program: `arguments[0]` is searched for in PATH unless it has a slash, and the child
  /// gets them all. Throws std::system_error if it cannot be started (no such program, no such
  /// directory, no permission, too many processes or descriptors), std::invalid_argument for no
  /// arguments, for a null byte in one, and for options that make no sense.
  explicit subprocess(const std::vector<std::string>& arguments,
                      const process_options& options = {});
  /// What was moved from stands for no child: all but the destructor and assignment throw
  /// std::logic_error.
  subprocess(subprocess&&) noexcept;
  /// The child that is replaced meets what the destructor does.
  subprocess& operator=(subprocess&&) noexcept;
  ~subprocess();

  /// Runs one to its end. Model: subprocess.run. Waits as `communicate` does; if that ends by an
  /// exception the child is killed.
  static process_output run(const std::vector<std::string>& arguments,
                            const run_process_options& options = {});

  [[nodiscard]] pid_t pid() const;

  /// This process's ends of the pipes. std::logic_error unless `stdio::pipe` was asked for.
  [[nodiscard]] stream& in();
  [[nodiscard]] stream& out();
  [[nodiscard]] stream& err();

  /// Waits for its end. As often as asked.
  exit_status wait() const;
  /// The same with a limit; empty if it still runs then.
  std::optional<exit_status> wait(deadline limit) const;
  /// Whether and how it ended. Never waits. Model: Popen.poll.
  [[nodiscard]] std::optional<exit_status> try_wait() const;

  /// False, without effect, if it is at its end. Throws std::system_error if the signal may not be
  /// sent, or there is none of this number. Never waits.
  bool send_signal(int number) const;
  /// SIGTERM.
  bool terminate() const;
  /// SIGKILL.
  bool kill() const;

  /// Writes `input` to its standard input and closes that, reads what comes from out and err until
  /// their ends, and waits for the child's. Only what is a pipe is written and read; `input` for
  /// another one is std::invalid_argument. That the child does not read all of `input` is no
  /// error. Waits for the ends of the pipes, also if a grandchild holds one.
  process_output communicate(std::string_view input = {});
  /// The same with a limit; empty when that came first. What was read so far is kept, after a
  /// cancellation as well, and the next call goes on (with the first one's input).
  std::optional<process_output> communicate(std::string_view input, deadline limit);

  /// Lets it run on when this object goes, which now stands for no child. Its pipes are closed.
  void detach();

 private:
  detail::child& checked() const;
  void abandon() noexcept;
  process_output take_output();

  std::shared_ptr<detail::child> child_;
  stream in_, out_, err_;
  std::unique_ptr<detail::conversation> conversation_;
};

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#include "runtime/process/launch.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "runtime/io/operation.hpp"

namespace weft::detail {
namespace {

constexpr int first_other = 3; // after standard input, output and error

[[noreturn]] void throw_system_error(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), "weft: " + what);
}

/// posix_spawn's two lists. Their functions return an error.
class spawn_plan {
 public:
  spawn_plan() {
    check(::posix_spawn_file_actions_init(&actions));
    check(::posix_spawnattr_init(&attributes));
  }
  spawn_plan(const spawn_plan&) = delete;
  spawn_plan& operator=(const spawn_plan&) = delete;
  ~spawn_plan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  static void check(int error) {
    if (error != 0) throw_system_error(error, "posix_spawn's actions");
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

/// The same file under a number above standard error's, so that putting one of those in place
/// destroys no other.
descriptor above_standard(int fd) {
  descriptor moved(::fcntl(fd, F_DUPFD_CLOEXEC, first_other));
  if (!moved) throw_system_error(errno, "descriptor " + std::to_string(fd) + " for a child");
  return moved;
}

/// The child's end and, of a pipe, ours.
struct connection {
  descriptor theirs, ours;
};

connection make_pipe_for(int number) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_system_error(errno, "pipe");
  descriptor to_read(ends[0]), to_write(ends[1]);
  descriptor& theirs = number == STDIN_FILENO ? to_read : to_write;
  descriptor& ours = number == STDIN_FILENO ? to_write : to_read;
  if (theirs.get() < first_other) theirs = above_standard(theirs.get());
  io::drop_old_record(ours.get());
  return {std::move(theirs), std::move(ours)};
}

connection connect(const stdio& to, int number) {
  switch (to.what()) {
  case stdio::inherit:
    return {};
  case stdio::pipe:
    return make_pipe_for(number);
  case stdio::null: {
    descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) throw_system_error(errno, "/dev/null");
    if (null.get() < first_other) null = above_standard(null.get());
    return {std::move(null), {}};
  }
  case stdio::to_stdout:
    if (number == STDERR_FILENO) return {};
    throw std::invalid_argument("weft: stdio::to_stdout is for a child's standard error only");
  case stdio::number:
    return {above_standard(to.fd()), {}};
  }
  throw std::invalid_argument("weft: no such stdio");
}

int highest_open_descriptor() noexcept {
  const std::unique_ptr<DIR, int (*)(DIR*)> numbers(::opendir("/proc/self/fd"), &::closedir);
  if (!numbers) return static_cast<int>(std::min(::sysconf(_SC_OPEN_MAX), 65536L));
  int highest = 0;
  while (const dirent* entry = ::readdir(numbers.get()))
    highest = std::max(highest, std::atoi(entry->d_name));
  return highest;
}

/// All but the standard ones and `keep` are closed.
void close_others(spawn_plan& plan, std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  int next = first_other;
  if (!keep.empty()) {
    for (const int fd : keep) {
      if (::fcntl(fd, F_GETFD) < 0)
        throw_system_error(errno, "descriptor " + std::to_string(fd) + " for a child");
      if (fd >= first_other) // onto itself: it stays open when the program is executed
        plan.check(::posix_spawn_file_actions_adddup2(&plan.actions, fd, fd));
    }
    // There is no closing of a range with gaps. What another thread opens meanwhile may stay open
    // if it is not marked close-on-exec.
    for (const int end = std::max(highest_open_descriptor(), keep.back()) + 1; next < end; ++next)
      if (!std::binary_search(keep.begin(), keep.end(), next))
        plan.check(::posix_spawn_file_actions_addclose(&plan.actions, next));
  }
  plan.check(::posix_spawn_file_actions_addclosefrom_np(&plan.actions, next));
}

void set_attributes(spawn_plan& plan, const process_options& options) {
  short flags = 0;
  if (options.new_session) flags |= POSIX_SPAWN_SETSID;
  if (options.new_group) flags |= POSIX_SPAWN_SETPGROUP; // 0 by default: its own
  if (options.reset_signals) {
    flags |= POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    plan.check(::posix_spawnattr_setsigmask(&plan.attributes, &none));
    plan.check(::posix_spawnattr_setsigdefault(&plan.attributes, &all));
  }
  plan.check(::posix_spawnattr_setflags(&plan.attributes, flags));
}

bool holds_null(const std::string& text) noexcept {
  return text.find('\0') != std::string::npos;
}

void check_options(const std::vector<std::string>& arguments, const process_options& options) {
  if (arguments.empty() || arguments.front().empty())
    throw std::invalid_argument("weft: subprocess needs a program to run as the first argument");
  if (std::any_of(arguments.begin(), arguments.end(), holds_null) || holds_null(options.directory))
    throw std::invalid_argument("weft: an argument for a subprocess holds a null byte");
  if (options.new_session && options.new_group)
    throw std::invalid_argument("weft: a new session has a new group already; ask for one of both");
  if (options.environment)
    for (const auto& [name, value] : *options.environment)
      if (name.empty() || name.find('=') != std::string::npos || holds_null(name) ||
          holds_null(value))
        throw std::invalid_argument("weft: '" + name + "' cannot be an environment variable");
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& s : strings)
    pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool is_directory(const std::string& path) noexcept {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

} // namespace

launched launch(const std::vector<std::string>& arguments, const process_options& options) {
  check_options(arguments, options);
  spawn_plan plan;
  connection standard[] = {connect(options.in, STDIN_FILENO), connect(options.out, STDOUT_FILENO),
                           connect(options.err, STDERR_FILENO)};
  for (int number = 0; number < first_other; ++number)
    if (const auto& theirs = standard[number].theirs)
      plan.check(::posix_spawn_file_actions_adddup2(&plan.actions, theirs.get(), number));
  if (options.err.what() == stdio::to_stdout)
    plan.check(::posix_spawn_file_actions_adddup2(&plan.actions, STDOUT_FILENO, STDERR_FILENO));
  if (!options.directory.empty())
    plan.check(::posix_spawn_file_actions_addchdir_np(&plan.actions, options.directory.c_str()));
  close_others(plan, options.keep);
  set_attributes(plan, options);

  std::vector<std::string> words = arguments;
  std::vector<std::string> variables;
  if (options.environment)
    for (const auto& [name, value] : *options.environment)
      variables.push_back(name + '=' + value);
  const std::vector<char*> argv = pointers_to(words);
  const std::vector<char*> envp = pointers_to(variables);

  launched made;
  const int failed = ::posix_spawnp(&made.pid, argv[0], &plan.actions, &plan.attributes,
                                    argv.data(), options.environment ? envp.data() : environ);
  if (failed != 0) {
    if (!options.directory.empty() && !is_directory(options.directory))
      throw_system_error(failed, "cannot run " + words[0] + " in directory " + options.directory);
    throw_system_error(failed, "cannot run " + words[0]);
  }
  made.in = std::move(standard[0].ours);
  made.out = std::move(standard[1].ours);
  made.err = std::move(standard[2].ours);
  return made;
}

} // namespace weft::detail

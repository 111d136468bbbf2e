// SPDX-License-Identifier: BSL-1.0
#include "weft/subprocess.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/io/failure.hpp"
#include "runtime/io/operation.hpp"
#include "runtime/process/child.hpp"
#include "runtime/process/conversation.hpp"
#include "runtime/process/launch.hpp"
#include "runtime/process/reaper.hpp"

namespace weft {

environment_variables current_environment() {
  environment_variables variables;
  for (char** at = environ; at && *at; ++at) {
    const std::string_view line = *at;
    const std::size_t equals = line.find('=', 1);
    if (equals != std::string_view::npos)
      variables.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return variables;
}

subprocess::subprocess(const std::vector<std::string>& arguments, const process_options& options) {
  detail::launched made = detail::launch(arguments, options);
  child_ = std::make_shared<detail::child>(made.pid);
  in_ = stream(std::move(made.in));
  out_ = stream(std::move(made.out));
  err_ = stream(std::move(made.err));
}

subprocess::subprocess(subprocess&&) noexcept = default;

subprocess& subprocess::operator=(subprocess&& other) noexcept {
  if (this == &other) return *this;
  abandon();
  child_ = std::move(other.child_);
  in_ = std::move(other.in_);
  out_ = std::move(other.out_);
  err_ = std::move(other.err_);
  conversation_ = std::move(other.conversation_);
  return *this;
}

subprocess::~subprocess() {
  abandon();
}

void subprocess::abandon() noexcept {
  if (!child_ || !child_->is_ours()) return;
  child_->kill_quietly();
  detail::reap_later(std::move(child_));
}

void subprocess::detach() {
  checked();
  for (stream* s : {&in_, &out_, &err_})
    *s = stream();
  conversation_.reset();
  if (child_->is_ours()) detail::reap_later(child_);
  child_.reset();
}

detail::child& subprocess::checked() const {
  if (!child_)
    throw std::logic_error("weft: this subprocess stands for no child; it was moved from or "
                           "detached");
  return *child_;
}

pid_t subprocess::pid() const {
  return checked().pid();
}

namespace {
stream& checked_stream(stream& s, const char* name) {
  if (!s)
    throw std::logic_error(std::string("weft: the child's ") + name +
                           " is no open pipe; ask for stdio::pipe when starting it");
  return s;
}
} // namespace

stream& subprocess::in() {
  checked();
  return checked_stream(in_, "in");
}
stream& subprocess::out() {
  checked();
  return checked_stream(out_, "out");
}
stream& subprocess::err() {
  checked();
  return checked_stream(err_, "err");
}

std::optional<exit_status> subprocess::try_wait() const {
  return checked().take_status();
}

exit_status subprocess::wait() const {
  return *wait(deadline::never());
}

std::optional<exit_status> subprocess::wait(deadline limit) const {
  checked();
  const std::shared_ptr<detail::child> c = child_; // this object may go meanwhile
  std::optional<exit_status> status = c->take_status();
  if (status || limit.absolute() == 0) return status;
  const deadline until = io::fixed(limit);
  while (true) {
    io::operation op(c->end_descriptor(), core::io_in, until, detail::blocking_call::process_wait);
    const ssize_t result = op.run([&]() -> ssize_t {
      status = c->take_status();
      return status ? 0 : -EAGAIN;
    });
    if (result == 0 || result == -ETIMEDOUT) return status;
    if (result != -EINTR) // of a thread without a hub
      io::throw_failure("wait for process " + std::to_string(c->pid()), static_cast<int>(-result));
  }
}

bool subprocess::send_signal(int number) const {
  return checked().send_signal(number);
}
bool subprocess::terminate() const {
  return send_signal(SIGTERM);
}
bool subprocess::kill() const {
  return send_signal(SIGKILL);
}

} // namespace weft

// SPDX-License-Identifier: BSL-1.0
#include <poll.h>

#include <cerrno>
#include <chrono>
#include <span>
#include <stdexcept>

#include "runtime/io/failure.hpp"
#include "runtime/io/quiet_write.hpp"
#include "runtime/process/conversation.hpp"
#include "weft/io.hpp"
#include "weft/sleep.hpp"
#include "weft/subprocess.hpp"

namespace weft {

using detail::conversation;

namespace {

/// Writes what fits; closes `to` at the end of the input, or when nobody reads it.
void write_more(conversation& c, stream& to) {
  while (c.written < c.input.size()) {
    const auto rest = std::as_bytes(std::span(c.input).subspan(c.written));
    const ssize_t n = io::write_quietly(to.fd(), rest, deadline(std::chrono::seconds(0)));
    if (n < 0) {
      if (errno == ETIMEDOUT || errno == EINTR || errno == EAGAIN) return;
      if (errno != EPIPE) io::throw_failure("write", to.fd(), errno);
      break;
    }
    c.written += static_cast<std::size_t>(n);
  }
  to.close();
}

/// Appends what is there; whether something was.
bool read_more(conversation& c, const stream& from, std::string& text, bool& ended) {
  const ssize_t n = io::read(from.fd(), c.buffer.get(), conversation::buffer_size,
                             deadline(std::chrono::seconds(0)));
  if (n > 0) text.append(c.buffer.get(), static_cast<std::size_t>(n));
  if (n == 0) ended = true;
  if (n < 0 && errno != ETIMEDOUT && errno != EINTR && errno != EAGAIN)
    io::throw_failure("read", from.fd(), errno);
  return n > 0;
}

/// What a child that is gone left in a pipe; not to its end, which a grandchild may keep away.
void read_rest(conversation& c, const stream& from, std::string& text, bool& ended) {
  constexpr std::size_t most = std::size_t{1} << 20; // /proc/sys/fs/pipe-max-size
  for (const std::size_t end = text.size() + most; from && !ended && text.size() < end;)
    if (!read_more(c, from, text, ended)) return;
}

/// What the user read ahead, through the stream's buffer, comes first.
void take_buffered(stream& from, std::string& text) {
  if (const std::size_t size = from.buffered().size()) text += from.read_exactly(size);
}

} // namespace

process_output subprocess::communicate(std::string_view input) {
  return *communicate(input, deadline::never());
}

std::optional<process_output> subprocess::communicate(std::string_view input, deadline limit) {
  checked();
  if (!conversation_) {
    if (!input.empty() && !in_)
      throw std::invalid_argument("weft: the child's in is no open pipe, there is nothing to write "
                                  "the input to; ask for stdio::pipe when starting it");
    conversation_ = std::make_unique<conversation>();
    conversation_->input = input;
    take_buffered(out_, conversation_->out);
    take_buffered(err_, conversation_->err);
  }
  conversation& c = *conversation_;
  const deadline until = io::fixed(limit);
  if (in_) write_more(c, in_);
  while (in_ || (out_ && !c.out_ended) || (err_ && !c.err_ended)) {
    pollfd ends[] = {{in_.fd(), POLLOUT, 0},
                     {c.out_ended ? -1 : out_.fd(), POLLIN, 0},
                     {c.err_ended ? -1 : err_.fd(), POLLIN, 0}};
    const int found = io::poll(ends, 3, until);
    if (found == 0 || io::has_come(until)) return std::nullopt;
    if (found < 0 && errno != EINTR) io::throw_failure("poll of a child's pipes", errno);
    if (found < 0) continue;
    if (ends[0].revents) write_more(c, in_);
    if (ends[1].revents) read_more(c, out_, c.out, c.out_ended);
    if (ends[2].revents) read_more(c, err_, c.err, c.err_ended);
    yield(); // a child that is always ready does not keep others from running
  }
  if (!wait(until)) return std::nullopt;
  return take_output();
}

/// Of a child whose status was taken.
process_output subprocess::take_output() {
  process_output output{.status = *try_wait()};
  output.out = std::move(conversation_->out);
  output.err = std::move(conversation_->err);
  out_ = stream();
  err_ = stream();
  conversation_->out.clear();
  conversation_->err.clear();
  return output;
}

process_error::process_error(const std::string& what, process_output output)
    : std::runtime_error(what), output_(std::make_shared<const process_output>(std::move(output))) {
}

process_output subprocess::run(const std::vector<std::string>& arguments,
                               const run_process_options& options) {
  if (!options.input.empty() && options.in.what() != stdio::inherit &&
      options.in.what() != stdio::pipe)
    throw std::invalid_argument("weft: subprocess::run with input and with another source for the "
                                "child's in; leave one of both out");
  subprocess child(arguments, {.in = options.input.empty() ? options.in : stdio::pipe,
                               .out = options.out,
                               .err = options.err,
                               .directory = options.directory,
                               .environment = options.environment,
                               .keep = options.keep,
                               .new_session = options.new_session,
                               .new_group = options.new_group,
                               .reset_signals = options.reset_signals});
  process_output output;
  if (auto done = child.communicate(options.input, options.timeout)) {
    output = std::move(*done);
  } else {
    child.kill();
    child.wait();
    conversation& c = *child.conversation_;
    read_rest(c, child.out_, c.out, c.out_ended);
    read_rest(c, child.err_, c.err, c.err_ended);
    output = child.take_output();
    output.timed_out = true;
  }
  if (options.check && (output.timed_out || !output.status.success())) {
    const std::string how = output.timed_out ? "was killed since its time was over"
                                             : "ended with " + output.status.describe();
    throw process_error("weft: " + arguments[0] + " " + how, std::move(output));
  }
  return output;
}

} // namespace weft

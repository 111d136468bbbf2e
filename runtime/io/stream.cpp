// SPDX-License-Identifier: BSL-1.0
#include "weft/stream.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/io/exclusive_use.hpp"
#include "runtime/io/failure.hpp"
#include "runtime/io/quiet_write.hpp"
#include "weft/io.hpp"

namespace weft {
namespace {

constexpr std::size_t default_maximum = 64 * 1024;
// Whoever asks for more than this at once gets it without a detour through the buffer.
constexpr std::size_t worth_reading_directly = 4096;

constexpr const char* two_readers =
    "weft: another fiber is reading this stream; let one fiber read, and pass on what came";
constexpr const char* two_writers =
    "weft: another fiber is writing to this stream; let one fiber write, and give it a queue";

std::size_t read_once(int fd, std::span<char> to, const deadline& until) {
  while (true) {
    const ssize_t n = io::read(fd, to.data(), to.size(), until);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EINTR) continue;
    const int error = errno;
    if (error != EAGAIN || !io::is_non_blocking(fd)) io::throw_failure("read", fd, error);
    io::wait_until_ready("read", fd, POLLIN, until);
  }
}

[[noreturn]] void throw_end(const char* call, int fd) {
  throw end_of_stream("weft: " + std::string(call) + "(" + std::to_string(fd) +
                      "): the stream ended before what was asked for had come");
}

} // namespace

descriptor stream::release() {
  if (buffer_.size() != 0)
    throw std::logic_error("weft: stream::release would lose " + std::to_string(buffer_.size()) +
                           " bytes that were read ahead; take them by read_some first");
  return std::move(fd_);
}

bool stream::fill(const deadline& until) {
  const std::size_t n = read_once(fd_.get(), buffer_.room(), until);
  buffer_.came(n);
  return n != 0;
}

std::size_t stream::read_some(std::span<std::byte> to, deadline until) {
  const io::exclusive_use mine(reading_, two_readers);
  if (to.empty()) return 0;
  if (const std::string_view content = buffer_.content(); !content.empty()) {
    const std::size_t n = std::min(content.size(), to.size());
    std::memcpy(to.data(), content.data(), n);
    buffer_.drop(n);
    return n;
  }
  return read_once(fd_.get(), {reinterpret_cast<char*>(to.data()), to.size()}, io::fixed(until));
}

void stream::read_exactly(std::span<std::byte> to, deadline until) {
  const io::exclusive_use mine(reading_, two_readers);
  if (to.size() > buffer_.size()) until = io::fixed(until);
  while (to.size() > buffer_.size() && to.size() - buffer_.size() < worth_reading_directly)
    if (!fill(until)) throw_end("read", fd_.get());
  const std::size_t held = std::min(buffer_.size(), to.size());
  if (held != 0) std::memcpy(to.data(), buffer_.content().data(), held);
  std::size_t came = held;
  try {
    while (came < to.size()) {
      const auto rest = to.subspan(came);
      const std::size_t n =
          read_once(fd_.get(), {reinterpret_cast<char*>(rest.data()), rest.size()}, until);
      if (n == 0) throw_end("read", fd_.get());
      came += n;
    }
  } catch (...) {
    buffer_.append(to.subspan(held, came - held));
    throw;
  }
  buffer_.drop(held);
}

std::string stream::read_exactly(std::size_t size, deadline until) {
  std::string text(size, '\0');
  read_exactly(std::span<char>(text), until);
  return text;
}

/// Bytes up to the end of the first delimiter; 0 if the stream ends before.
std::size_t stream::find(std::string_view delimiter, std::size_t maximum, const char* call,
                         deadline until) {
  if (maximum == 0) maximum = default_maximum;
  bool waited = false;
  for (std::size_t looked_at = 0;;) {
    const std::string_view content = buffer_.content();
    const std::size_t at = content.find(delimiter, looked_at);
    const bool found = at != std::string_view::npos;
    if (found && at + delimiter.size() <= maximum) return at + delimiter.size();
    if (found || content.size() >= maximum) io::throw_failure(call, fd_.get(), EMSGSIZE);
    looked_at = content.size() - std::min(content.size(), delimiter.size() - 1);
    if (!std::exchange(waited, true)) until = io::fixed(until);
    if (!fill(until)) return 0;
  }
}

std::string stream::read_until(std::string_view delimiter, const read_options& options) {
  if (delimiter.empty())
    throw std::invalid_argument("weft: stream::read_until needs a delimiter that is not empty");
  const io::exclusive_use mine(reading_, two_readers);
  const std::size_t size = find(delimiter, options.maximum, "read_until", options.timeout);
  if (size == 0) throw_end("read_until", fd_.get());
  std::string text(buffer_.content().substr(0, size));
  buffer_.drop(size);
  return text;
}

std::optional<std::string> stream::read_line(const read_options& options) {
  const io::exclusive_use mine(reading_, two_readers);
  std::size_t size = find("\n", options.maximum, "read_line", options.timeout);
  if (size == 0) size = buffer_.size();
  if (size == 0) return std::nullopt;
  std::string_view line = buffer_.content().substr(0, size);
  if (line.ends_with('\n')) {
    line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
  }
  std::string text(line);
  buffer_.drop(size);
  return text;
}

std::string stream::read_all(const read_options& options) {
  const io::exclusive_use mine(reading_, two_readers);
  const deadline until = io::fixed(options.timeout);
  do {
    if (options.maximum != 0 && buffer_.size() > options.maximum)
      io::throw_failure("read_all", fd_.get(), EMSGSIZE);
  } while (fill(until));
  std::string text(buffer_.content());
  buffer_.drop(text.size());
  return text;
}

void stream::write_all(std::span<const std::byte> data, deadline until) {
  const io::exclusive_use mine(writing_, two_writers);
  until = io::fixed(until);
  while (!data.empty()) {
    const int fd = fd_.get();
    const ssize_t n = no_socket_ ? io::write_quietly(fd, data, until)
                                 : io::send(fd, data.data(), data.size(), MSG_NOSIGNAL, until);
    if (n >= 0) {
      data = data.subspan(static_cast<std::size_t>(n));
    } else if (errno == ENOTSOCK && !no_socket_) {
      no_socket_ = true;
    } else if (errno == EAGAIN && io::is_non_blocking(fd)) {
      io::wait_until_ready("write", fd, POLLOUT, until);
    } else if (errno != EINTR) {
      io::throw_failure("write", fd, errno);
    }
  }
}

void stream::shutdown(int how) {
  if (::shutdown(fd_.get(), how) != 0) io::throw_failure("shutdown", fd_.get(), errno);
}

} // namespace weft

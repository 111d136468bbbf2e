// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <weft/deadline.hpp>
#include <weft/descriptor.hpp>
#include <weft/detail/read_buffer.hpp>

namespace [[gnu::visibility("default")]] weft {

/// The other side ended the stream before what was asked for had come. Model: Python's EOFError,
/// asyncio.IncompleteReadError.
class end_of_stream : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// How far to read.
struct read_options {
  /// Give up when so many bytes came without what ends the call; 0: 64 KiB (asyncio's limit).
  /// `read_all` has no limit unless this is set.
  std::size_t maximum = 0;
  /// For the call as a whole.
  deadline timeout = {};
};

/// Bytes in, bytes out: owns the descriptor of a connection, a pipe, a terminal, and reads through
/// a buffer of its own. Model: asyncio.StreamReader and StreamWriter in one, over blocking calls.
///
///     void serve(weft::stream& peer) {
///       while (auto line = peer.read_line({.timeout = 30s}))
///         peer.write_all("you said: " + *line + "\n");
///     }
///
/// - **Waiting** parks the fiber, or blocks a thread without a hub, and is a switch point at which
///   cancellation is thrown. What the buffer already holds is given without waiting, and without
///   a switch.
/// - **Errors** are std::system_error with the call and the descriptor: a connection that was
///   reset, and also a deadline that came first (`std::errc::timed_out`, as weft::io has
///   ETIMEDOUT). Writing to a peer that is gone is EPIPE; SIGPIPE is never raised.
/// - **A read that throws consumes nothing**: whatever ended it (deadline, cancellation, end of
///   stream, too much data), what came stays in `buffered()`, and the next read begins with it.
/// - **A write that throws** may have sent a part: nothing tells how much. Close the stream.
/// - One fiber may read while another writes; two that read, or two that write, at the same time
///   are refused (std::logic_error), for their data would mix. Closing, from any fiber, ends both
///   with EBADF. One stream belongs to one thread at a time.
/// - The descriptor may have O_NONBLOCK set; then these wait all the same. SO_RCVTIMEO and
///   SO_SNDTIMEO end a call with EAGAIN.
class [[nodiscard]] stream {
 public:
  /// Closed.
  stream() noexcept = default;
  explicit stream(descriptor fd) noexcept : fd_(std::move(fd)) {}
  stream(stream&&) noexcept = default;
  stream& operator=(stream&&) noexcept = default;

  /// Whether there is a descriptor.
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  /// -1 if it is closed.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  /// Gives the descriptor away. Throws std::logic_error if `buffered()` is not empty, for that
  /// would be lost: take it by `read_some` first.
  [[nodiscard]] descriptor release();

  /// Reads what is there, at least one byte, waiting for it if need be. 0: the end (or an empty
  /// `to`). Reads straight into `to` if nothing is buffered.
  std::size_t read_some(std::span<std::byte> to, deadline until = {});
  std::size_t read_some(std::span<char> to, deadline until = {}) {
    return read_some(std::as_writable_bytes(to), until);
  }

  /// Fills `to`, or throws `end_of_stream`.
  void read_exactly(std::span<std::byte> to, deadline until = {});
  void read_exactly(std::span<char> to, deadline until = {}) {
    read_exactly(std::as_writable_bytes(to), until);
  }
  /// The same into a string of `size` bytes. They are allocated before they come: check a size
  /// that the other side told.
  [[nodiscard]] std::string read_exactly(std::size_t size, deadline until = {});

  /// Everything up to the first `delimiter`, which is included. If the stream ends before, throws
  /// `end_of_stream`; if it has not come within `maximum` bytes, std::system_error with
  /// std::errc::message_size. std::invalid_argument if the delimiter is empty.
  [[nodiscard]] std::string read_until(std::string_view delimiter, const read_options& = {});

  /// The next line without its "\n" or "\r\n"; nothing at the end of the stream. What follows the
  /// last "\n" counts as a line. A longer one than `maximum` throws as in `read_until`.
  [[nodiscard]] std::optional<std::string> read_line(const read_options& = {});

  /// All until the end. More than `maximum` throws as in `read_until`.
  [[nodiscard]] std::string read_all(const read_options& = {});

  /// What came and nobody asked for yet. Valid until the next read.
  [[nodiscard]] std::string_view buffered() const noexcept { return buffer_.content(); }

  /// Writes everything, waiting as often as it must.
  void write_all(std::span<const std::byte> data, deadline until = {});
  void write_all(std::string_view data, deadline until = {}) {
    write_all(std::as_bytes(std::span(data)), until);
  }

  /// Tells the other side of a socket that nothing more comes (SHUT_WR), or that nothing more is
  /// read. Never blocks. Throws std::system_error. Of a pipe, close the end.
  void shutdown(int how = SHUT_WR);

  /// Closes; reads and writes in progress, and those to come, fail with EBADF. What is buffered
  /// can still be read by who asks for no more than that.
  void close() noexcept { fd_.reset(); }

 private:
  bool fill(const deadline& until);
  std::size_t find(std::string_view delimiter, std::size_t maximum, const char* call,
                   deadline until);

  descriptor fd_;
  detail::read_buffer buffer_;
  bool reading_ = false;
  bool writing_ = false;
  bool no_socket_ = false;
};

} // namespace weft

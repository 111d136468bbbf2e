// SPDX-License-Identifier: BSL-1.0
#include "weft/pipe.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/io/failure.hpp"
#include "runtime/io/operation.hpp"

namespace weft {
namespace {

struct ends {
  descriptor first, second;

  ends(const int* fds) noexcept : first(fds[0]), second(fds[1]) {
    io::drop_old_record(fds[0]);
    io::drop_old_record(fds[1]);
  }
};

ends socket_pair(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0)
    io::throw_failure("socketpair", errno);
  return {fds};
}

} // namespace

pipe_ends make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) io::throw_failure("pipe", errno);
  ends made(fds);
  return {stream(std::move(made.first)), stream(std::move(made.second))};
}

std::pair<stream, stream> make_stream_pair() {
  ends made = socket_pair(SOCK_STREAM);
  return {stream(std::move(made.first)), stream(std::move(made.second))};
}

std::pair<datagram_socket, datagram_socket> make_datagram_pair() {
  ends made = socket_pair(SOCK_DGRAM);
  return {datagram_socket(std::move(made.first)), datagram_socket(std::move(made.second))};
}

} // namespace weft

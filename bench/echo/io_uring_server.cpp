// SPDX-License-Identifier: BSL-1.0
//
// The echo server on io_uring as it is meant to be used: accept and receive are submitted once
// and go on by themselves (multishot), receives take buffers that all connections share, and one
// system call submits a batch of sends and waits for the next completions.
#include <liburing.h>
#include <unistd.h>

#include <deque>
#include <utility>
#include <vector>

#include "bench/echo/listener.hpp"

namespace {

constexpr unsigned submissions = 4096;
constexpr unsigned completions = 16384;
constexpr unsigned buffer_count = 4096;
constexpr unsigned buffer_size = 2048;
constexpr int buffer_group = 0;

enum class operation : std::uint8_t { accepting, receiving, sending };

struct message {
  std::uint16_t buffer;
  unsigned size;
};

struct connection {
  std::deque<message> unsent; // the first is being sent: one at a time keeps their order
  bool ended = false;
};

io_uring ring;
io_uring_buf_ring* free_buffers;
std::vector<char> buffers(std::size_t{buffer_count} * buffer_size);
std::vector<connection> connections; // by descriptor
std::vector<int> starved;            // found no buffer, to receive again once there are some

char* address_of(std::uint16_t buffer) {
  return buffers.data() + std::size_t{buffer} * buffer_size;
}

void give_back(std::uint16_t buffer) {
  io_uring_buf_ring_add(free_buffers, address_of(buffer), buffer_size, buffer,
                        io_uring_buf_ring_mask(buffer_count), 0);
  io_uring_buf_ring_advance(free_buffers, 1);
}

io_uring_sqe* next_submission(operation what, int fd) {
  io_uring_sqe* entry = io_uring_get_sqe(&ring);
  while (!entry) { // full
    io_uring_submit(&ring);
    entry = io_uring_get_sqe(&ring);
  }
  io_uring_sqe_set_data64(entry, std::uint64_t{static_cast<std::uint8_t>(what)} << 32 |
                                     static_cast<std::uint32_t>(fd));
  return entry;
}

// Preparing an entry overwrites its user data, hence the order of these.
template <class Prepare>
void submit(operation what, int fd, Prepare prepare) {
  io_uring_sqe* entry = next_submission(what, fd);
  const std::uint64_t mark = entry->user_data;
  prepare(entry);
  entry->user_data = mark;
}

void accept_from(int listener) {
  submit(operation::accepting, listener, [=](io_uring_sqe* entry) {
    io_uring_prep_multishot_accept(entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
  });
}

void receive_from(int fd) {
  submit(operation::receiving, fd, [=](io_uring_sqe* entry) {
    io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = buffer_group;
  });
}

void send_first(int fd) {
  const message first = connections[static_cast<std::size_t>(fd)].unsent.front();
  submit(operation::sending, fd, [=](io_uring_sqe* entry) {
    // MSG_WAITALL: io_uring goes on by itself after a part.
    io_uring_prep_send(entry, fd, address_of(first.buffer), first.size, MSG_NOSIGNAL | MSG_WAITALL);
  });
}

void on_accepted(int listener, const io_uring_cqe& done) {
  if (done.res >= 0) {
    const auto fd = static_cast<std::size_t>(done.res);
    if (fd >= connections.size()) connections.resize(fd + fd / 2 + 16);
    connections[fd] = {};
    receive_from(done.res);
  }
  if (!(done.flags & IORING_CQE_F_MORE)) accept_from(listener);
}

void on_received(int fd, const io_uring_cqe& done) {
  connection& c = connections[static_cast<std::size_t>(fd)];
  if (done.res > 0) {
    const auto buffer = static_cast<std::uint16_t>(done.flags >> IORING_CQE_BUFFER_SHIFT);
    c.unsent.push_back({buffer, static_cast<unsigned>(done.res)});
    if (c.unsent.size() == 1) send_first(fd);
    if (!(done.flags & IORING_CQE_F_MORE)) receive_from(fd);
  } else if (done.res == -ENOBUFS) {
    starved.push_back(fd);
  } else {
    c.ended = true;
    if (c.unsent.empty()) close(fd);
  }
}

void on_sent(int fd, const io_uring_cqe& done) {
  connection& c = connections[static_cast<std::size_t>(fd)];
  const message sent = c.unsent.front();
  c.unsent.pop_front();
  give_back(sent.buffer);
  if (done.res < 0) shutdown(fd, SHUT_RDWR); // receiving ends then
  if (!c.unsent.empty())
    send_first(fd);
  else if (c.ended)
    close(fd);
}

void set_up() {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
  parameters.cq_entries = completions;
  if (const int error = io_uring_queue_init_params(submissions, &ring, &parameters))
    echo::die("io_uring_queue_init_params", -error);
  const std::size_t ring_size = buffer_count * sizeof(io_uring_buf);
  void* memory = nullptr;
  if (posix_memalign(&memory, 4096, ring_size) != 0) echo::die("posix_memalign", ENOMEM);
  free_buffers = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
  registration.ring_entries = buffer_count;
  registration.bgid = buffer_group;
  io_uring_buf_ring_init(free_buffers);
  if (const int error = io_uring_register_buf_ring(&ring, &registration, 0))
    echo::die("io_uring_register_buf_ring", -error);
  for (unsigned buffer = 0; buffer < buffer_count; ++buffer)
    give_back(static_cast<std::uint16_t>(buffer));
}

void handle(const io_uring_cqe& done) {
  const int fd = static_cast<int>(done.user_data & UINT32_MAX);
  switch (static_cast<operation>(done.user_data >> 32)) {
  case operation::accepting:
    return on_accepted(fd, done);
  case operation::receiving:
    return on_received(fd, done);
  case operation::sending:
    return on_sent(fd, done);
  }
}

} // namespace

int main(int argc, char** argv) {
  set_up();
  accept_from(echo::listen_on_loopback(echo::port_argument(argc, argv), 0));
  while (true) {
    const int result = io_uring_submit_and_wait(&ring, 1);
    if (result < 0 && result != -EINTR) echo::die("io_uring_submit_and_wait", -result);
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* done = nullptr;
    io_uring_for_each_cqe(&ring, head, done) {
      handle(*done);
      ++count;
    }
    io_uring_cq_advance(&ring, count);
    for (const int fd : std::exchange(starved, {}))
      receive_from(fd);
  }
}

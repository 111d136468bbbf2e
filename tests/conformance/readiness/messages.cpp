// SPDX-License-Identifier: BSL-1.0
// Messages with boundaries, passed descriptors and urgent data.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <cstring>
#include <poll.h>
#include <sys/un.h>
#include <vector>

namespace {

using namespace conformance;

ssize_t send_descriptor(int socket, int fd, const char* text) {
  iovec vector{const_cast<char*>(text), std::strlen(text)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, 0);
}

// Receives up to 64 bytes and at most one descriptor (-1 if none came).
std::string receive_descriptor(int socket, int& fd) {
  char text[64];
  iovec vector{text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  fd = -1;
  const ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (n < 0) return "error";
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_type == SCM_RIGHTS)
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return std::string(text, static_cast<std::size_t>(n));
}

void passed_descriptors() {
  const socket_pair channel;
  std::thread sender([&] {
    for (int i = 0; i < 10; ++i) {
      const pipe_pair pipe;
      const std::string text = "pipe " + std::to_string(i);
      expect_equal(write(pipe.writer, text.data(), text.size()), static_cast<ssize_t>(text.size()),
                   "write");
      expect_equal(send_descriptor(channel.left, pipe.reader, "d"), 1, "sendmsg");
      if (i % 3 == 0) usleep(2000);
    }
  });
  for (int i = 0; i < 10; ++i) {
    int fd = -1;
    expect_equal(receive_descriptor(channel.right, fd), "d", "the text");
    char text[16] = {};
    expect(fd >= 0 && read(fd, text, sizeof text - 1) > 0, "a descriptor that can be read");
    expect_equal(std::string(text), "pipe " + std::to_string(i), "the right one");
    close_once(fd);
  }
  sender.join();
}

// A stream's read stops at a control message though more is queued behind it: a short read there
// does not mean that the socket is empty.
void short_stop_at_a_control_message() {
  for (int round = 0; round < 10; ++round) {
    const socket_pair channel;
    const pipe_pair pipe;
    expect_equal(write(channel.left, "before", 6), 6, "write");
    expect_equal(send_descriptor(channel.left, pipe.reader, "with"), 4, "sendmsg");
    expect_equal(send_descriptor(channel.left, pipe.writer, "second"), 6, "sendmsg");
    expect_equal(write(channel.left, "after", 5), 5, "write");
    std::thread([&] {
      std::string all;
      int descriptors = 0;
      while (all.size() < 21) {
        int fd = -1;
        const std::string piece = receive_descriptor(channel.right, fd);
        descriptors += fd >= 0 ? 1 : 0;
        close_once(fd);
        all += piece;
      }
      expect_equal(all, "beforewithsecondafter", "all bytes without waiting");
      expect_equal(descriptors, 2, "both descriptors");
    }).join();
  }
}

void datagrams_keep_their_bounds() {
  const int receiver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback();
  bind(receiver, reinterpret_cast<sockaddr*>(&address), sizeof address);
  address = name_of(receiver);
  const int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::thread reader([&] {
    char buffer[64];
    expect_equal(recv(receiver, buffer, sizeof buffer, 0), 5, "a datagram");
    expect_equal(recv(receiver, buffer, sizeof buffer, 0), 0, "an empty datagram");
    expect_equal(recv(receiver, buffer, 3, 0), 3, "a truncated datagram");
    expect_equal(recv(receiver, buffer, 3, MSG_TRUNC), 8, "MSG_TRUNC tells the whole length");
    sockaddr_in from{};
    socklen_t length = sizeof from;
    expect_equal(
        recvfrom(receiver, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &length),
        4, "the next datagram is whole");
    expect_equal(from.sin_port, name_of(sender).sin_port, "its sender");
    expect_equal(std::string(buffer, 4), "last", "its text");
  });
  for (const char* text : {"first", "", "truncated", "again...", "last"}) {
    usleep(3000);
    const auto size = static_cast<ssize_t>(std::strlen(text));
    expect_equal(sendto(sender, text, std::strlen(text), 0, reinterpret_cast<sockaddr*>(&address),
                        sizeof address),
                 size, "sendto");
  }
  reader.join();
  close(sender);
  close(receiver);
}

void refused_datagrams_tell() {
  const int gone = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback();
  bind(gone, reinterpret_cast<sockaddr*>(&address), sizeof address);
  address = name_of(gone);
  close(gone);
  const int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  connect(sender, reinterpret_cast<sockaddr*>(&address), sizeof address);
  expect_equal(send(sender, "x", 1, 0), 1, "send");
  char byte = 0;
  std::thread([&] { expect_errno(recv(sender, &byte, 1, 0), ECONNREFUSED, "recv"); }).join();
  close(sender);
}

std::string numbered(int i) {
  return std::to_string(100 + i);
}

void many_datagrams_at_once() {
  const socket_pair pair(SOCK_DGRAM | SOCK_CLOEXEC);
  std::thread sender([&] {
    for (int i = 0; i < 6; ++i) {
      mmsghdr messages[5] = {};
      iovec vectors[5] = {};
      char texts[5][8];
      for (int k = 0; k < 5; ++k) {
        numbered(i * 5 + k).copy(texts[k], 3);
        vectors[k] = {texts[k], 3};
        messages[k].msg_hdr.msg_iov = &vectors[k];
        messages[k].msg_hdr.msg_iovlen = 1;
      }
      for (int sent = 0; sent < 5;) {
        const int n = sendmmsg(pair.left, messages + sent, static_cast<unsigned>(5 - sent), 0);
        if (n <= 0) return fail("sendmmsg");
        sent += n;
      }
    }
  });
  int next = 0;
  while (next < 30) {
    mmsghdr messages[8] = {};
    iovec vectors[8] = {};
    char texts[8][8] = {};
    for (int k = 0; k < 8; ++k) {
      vectors[k] = {texts[k], 8};
      messages[k].msg_hdr.msg_iov = &vectors[k];
      messages[k].msg_hdr.msg_iovlen = 1;
    }
    const int n = recvmmsg(pair.right, messages, 8, MSG_WAITFORONE, nullptr);
    if (n <= 0) return fail("recvmmsg");
    for (int k = 0; k < n; ++k, ++next) {
      expect_equal(std::string(texts[k], messages[k].msg_len), numbered(next), "in order");
    }
  }
  sender.join();
}

void sequenced_packets() {
  socket_pair pair(SOCK_SEQPACKET | SOCK_CLOEXEC);
  std::thread reader([&] {
    char buffer[4];
    expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 4, "a truncated packet");
    expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 2, "the next packet");
    expect_equal(recv(pair.right, buffer, sizeof buffer, 0), 0, "the end");
  });
  let_others_block();
  expect_equal(send(pair.left, "truncated", 9, 0), 9, "send");
  expect_equal(send(pair.left, "ok", 2, 0), 2, "send");
  close_once(pair.left);
  reader.join();
}

void urgent_data_apart() {
  const tcp_pair pair;
  std::thread reader([&] {
    pollfd entry{pair.right, POLLPRI, 0};
    expect_equal(poll(&entry, 1, 10'000), 1, "poll for POLLPRI");
    expect_equal(entry.revents, POLLPRI, "POLLPRI");
    char byte = 0;
    expect_equal(recv(pair.right, &byte, 1, MSG_OOB), 1, "recv MSG_OOB");
    expect_equal(byte, '!', "the urgent byte");
    expect_errno(recv(pair.right, &byte, 1, MSG_OOB), EINVAL, "no second urgent byte");
    char text[16] = {};
    std::string all;
    while (all.size() < 9) {
      const ssize_t n = recv(pair.right, text, sizeof text, 0); // stops at the mark
      if (n <= 0) break;
      all.append(text, static_cast<std::size_t>(n));
    }
    expect_equal(all, "firstlast", "the ordinary data");
  });
  let_others_block();
  expect_equal(send(pair.left, "first", 5, 0), 5, "send");
  expect_equal(send(pair.left, "!", 1, MSG_OOB), 1, "send MSG_OOB");
  expect_equal(send(pair.left, "last", 4, 0), 4, "send");
  reader.join();
}

void urgent_data_inline() {
  const tcp_pair pair;
  const int on = 1;
  setsockopt(pair.right, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
  expect_equal(send(pair.left, "ab", 2, 0), 2, "send");
  expect_equal(send(pair.left, "!", 1, MSG_OOB), 1, "send MSG_OOB");
  expect_equal(send(pair.left, "cd", 2, 0), 2, "send");
  std::thread([&] {
    std::string all;
    char text[16];
    while (all.size() < 5) {
      const ssize_t n = recv(pair.right, text, sizeof text, 0);
      if (n <= 0) break;
      all.append(text, static_cast<std::size_t>(n));
    }
    expect_equal(all, "ab!cd", "in its place");
  }).join();
}

void credentials_of_the_peer() {
  const socket_pair pair;
  std::thread([&] {
    ucred peer{};
    socklen_t length = sizeof peer;
    expect_equal(getsockopt(pair.left, SOL_SOCKET, SO_PEERCRED, &peer, &length), 0, "SO_PEERCRED");
    expect_equal(peer.pid, getpid(), "the peer's process");
    expect_equal(peer.uid, getuid(), "the peer's user");
  }).join();
}

const checks registered{
    {"passed_descriptors", passed_descriptors},
    {"short_stop_at_a_control_message", short_stop_at_a_control_message},
    {"datagrams_keep_their_bounds", datagrams_keep_their_bounds},
    {"refused_datagrams_tell", refused_datagrams_tell},
    {"many_datagrams_at_once", many_datagrams_at_once},
    {"sequenced_packets", sequenced_packets},
    {"urgent_data_apart", urgent_data_apart},
    {"urgent_data_inline", urgent_data_inline},
    {"credentials_of_the_peer", credentials_of_the_peer},
};

} // namespace

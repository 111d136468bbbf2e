// SPDX-License-Identifier: BSL-1.0
// stdio on descriptors that block: libc's own calls inside, its locks by thread.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>
#include <vector>

namespace {

using namespace conformance;

FILE* stream(int& fd, const char* mode) {
  FILE* file = fdopen(fd, mode);
  expect(file != nullptr, "fdopen");
  fd = -1; // the stream owns it
  return file;
}

void lines_across_a_socket_pair() {
  socket_pair sockets;
  FILE* left = stream(sockets.left, "r+");
  FILE* right = stream(sockets.right, "r+");
  std::thread server([right] {
    char line[256];
    while (std::fgets(line, sizeof line, right) != nullptr) {
      std::fprintf(right, "%zu:%s", std::string(line).size(), line);
      std::fflush(right);
    }
    std::fclose(right);
  });
  char answer[256];
  for (int i = 0; i < 200; ++i) {
    const std::string line =
        "line " + std::to_string(i) + std::string(static_cast<std::size_t>(i) % 90, '.') + "\n";
    std::fputs(line.c_str(), left);
    std::fflush(left);
    expect(std::fgets(answer, sizeof answer, left) != nullptr, "an answer");
    expect_equal(std::string(answer), std::to_string(line.size()) + ":" + line, "the answer");
  }
  shutdown(fileno(left), SHUT_WR);
  server.join();
  expect(std::fgets(answer, sizeof answer, left) == nullptr && std::feof(left) != 0, "end of file");
  std::fclose(left);
}

void getline_waits_for_slow_lines() {
  socket_pair sockets;
  std::thread writer([fd = sockets.right] {
    for (const char* piece : {"he", "llo\nwo", "rld", "\n", "no newline"}) {
      usleep(5000);
      expect(write(fd, piece, std::string(piece).size()) > 0, "write");
    }
    shutdown(fd, SHUT_WR);
  });
  FILE* left = stream(sockets.left, "r");
  char* line = nullptr;
  std::size_t room = 0;
  std::string all;
  while (getline(&line, &room, left) > 0)
    all.append("[").append(line).append("]");
  std::free(line);
  std::fclose(left);
  writer.join();
  expect_equal(all, "[hello\n][world\n][no newline]", "the lines");
}

void lines_stay_whole() {
  // One stream, many writers: the stream's lock is held while a full pipe blocks the owner.
  pipe_pair pipe;
  FILE* out = stream(pipe.writer, "w");
  FILE* in = stream(pipe.reader, "r");
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([out, t] {
      for (int i = 0; i < 300; ++i)
        std::fprintf(out, "%d %d %s\n", t, i, std::string(200, static_cast<char>('a' + t)).c_str());
    });
  std::thread closer([&threads, out] {
    for (std::thread& thread : threads)
      thread.join();
    std::fclose(out);
  });
  usleep(20'000);
  int next[6] = {};
  int lines = 0;
  char line[512];
  while (std::fgets(line, sizeof line, in) != nullptr) {
    int t = -1;
    int i = -1;
    char text[256] = {};
    expect_equal(std::sscanf(line, "%d %d %255s", &t, &i, text), 3, "a line's parts");
    if (t < 0 || t > 5) break;
    expect_equal(i, next[t]++, "each writer's order");
    expect(std::string(text) == std::string(200, static_cast<char>('a' + t)), "a whole line");
    ++lines;
  }
  closer.join();
  std::fclose(in);
  expect_equal(lines, 1800, "all lines");
}

void flockfile_excludes() {
  socket_pair sockets;
  FILE* left = stream(sockets.left, "w");
  std::setvbuf(left, nullptr, _IONBF, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 5; ++t)
    threads.emplace_back([left, t] {
      flockfile(left);
      for (int i = 0; i < 4; ++i) {
        putc_unlocked('a' + t, left);
        usleep(1000);
      }
      flockfile(left); // recursive, for its owner only
      std::fputc('\n', left);
      funlockfile(left);
      funlockfile(left);
    });
  for (std::thread& thread : threads)
    thread.join();
  flockfile(left);
  std::thread([left] {
    expect(ftrylockfile(left) != 0, "ftrylockfile of a locked stream");
  }).join();
  funlockfile(left);
  std::fclose(left);
  std::string all(100, '\0');
  std::size_t size = 0;
  for (ssize_t n = 0; (n = read(sockets.right, &all[size], all.size() - size)) > 0;)
    size += static_cast<std::size_t>(n);
  all.resize(size);
  expect_equal(size, 25U, "all characters");
  for (std::size_t i = 0; i + 5 <= size; i += 5)
    expect_equal(all.substr(i, 5), std::string(4, all[i]) + "\n", "together");
}

void fread_and_fwrite_large() {
  socket_pair sockets;
  FILE* out = stream(sockets.left, "w");
  FILE* in = stream(sockets.right, "r");
  static constexpr std::size_t size = 3 << 20;
  std::thread writer([out] {
    std::vector<char> bytes(size);
    for (std::size_t i = 0; i < size; ++i)
      bytes[i] = static_cast<char>(i * 7 + i / 251);
    expect_equal(std::fwrite(bytes.data(), 1, size, out), size, "fwrite");
    std::fclose(out);
  });
  usleep(10'000);
  std::vector<char> bytes(size);
  expect_equal(std::fread(bytes.data(), 1, size, in), size, "fread");
  writer.join();
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < size; ++i)
    wrong += bytes[i] != static_cast<char>(i * 7 + i / 251) ? 1 : 0;
  expect_equal(wrong, 0U, "wrong bytes");
  std::fclose(in);
}

const checks registered{
    {"lines_across_a_socket_pair", lines_across_a_socket_pair},
    {"getline_waits_for_slow_lines", getline_waits_for_slow_lines},
    {"lines_stay_whole", lines_stay_whole},
    {"flockfile_excludes", flockfile_excludes},
    {"fread_and_fwrite_large", fread_and_fwrite_large},
};

} // namespace

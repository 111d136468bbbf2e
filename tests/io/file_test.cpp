// SPDX-License-Identifier: BSL-1.0
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

#include "tests/io/fibers.hpp"

namespace weft::test {
namespace {

/// A directory of the test's own, on the disk where there is one.
class scratch {
 public:
  scratch() {
    std::string pattern = "/var/tmp/weft-file-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

int error_of(ssize_t result) {
  return result == -1 ? errno : 0;
}

TEST(file, posix_calls_give_what_posix_gives) {
  const scratch dir;
  in_fiber([&] {
    const std::string name = dir / "a";
    owned_fd fd{io::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640)};
    ASSERT_GE(fd, 0);
    EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(error_of(io::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0640)), EEXIST);
    EXPECT_EQ(error_of(io::open((dir / "none").c_str(), O_RDONLY)), ENOENT);

    const std::string data = pattern(100'000);
    EXPECT_EQ(io::pwrite(fd, data.data(), data.size(), 0), 100'000);
    EXPECT_EQ(io::fsync(fd), 0);
    EXPECT_EQ(io::fdatasync(fd), 0);
    std::string back(200'000, '\0');
    EXPECT_EQ(io::pread(fd, back.data(), back.size(), 10), 99'990);
    back.resize(99'990);
    EXPECT_EQ(back, data.substr(10));
    EXPECT_EQ(io::pread(fd, back.data(), 10, 100'000), 0);

    struct ::stat status {};
    EXPECT_EQ(io::fstat(fd, &status), 0);
    EXPECT_EQ(status.st_size, 100'000);
    EXPECT_EQ(io::ftruncate(fd, 5), 0);
    EXPECT_EQ(io::stat(name.c_str(), &status), 0);
    EXPECT_EQ(status.st_size, 5);
    EXPECT_EQ(error_of(io::stat((dir / "none").c_str(), &status)), ENOENT);
    ASSERT_EQ(::symlink("a", (dir / "link").c_str()), 0);
    EXPECT_EQ(io::lstat((dir / "link").c_str(), &status), 0);
    EXPECT_TRUE(S_ISLNK(status.st_mode));

    EXPECT_EQ(io::mkdir((dir / "d").c_str(), 0755), 0);
    EXPECT_EQ(io::rename(name.c_str(), (dir / "d/b").c_str()), 0);
    EXPECT_EQ(error_of(io::rmdir((dir / "d").c_str())), ENOTEMPTY);
    EXPECT_EQ(io::unlink((dir / "d/b").c_str()), 0);
    EXPECT_EQ(io::rmdir((dir / "d").c_str()), 0);
    EXPECT_EQ(error_of(io::unlink(name.c_str())), ENOENT);
    EXPECT_EQ(error_of(io::fsync(-1)), EBADF);
    EXPECT_EQ(error_of(io::pread(-1, back.data(), 1, 0)), EBADF);
    io::close(fd.release());
  });
}

TEST(file, read_and_write_of_weft_io_move_the_position) {
  const scratch dir;
  in_fiber([&] {
    owned_fd fd{io::open((dir / "a").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    const std::string data = pattern(300'000);
    EXPECT_EQ(io::write(fd, data.data(), data.size()), 300'000);
    EXPECT_EQ(::lseek(fd, 0, SEEK_SET), 0);
    // So that it has to be waited for: nothing of it is in memory.
    ASSERT_EQ(io::fsync(fd), 0);
    ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    EXPECT_EQ(read_exactly(fd, data.size()), data);
    char more;
    EXPECT_EQ(io::read(fd, &more, 1), 0);
    ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    std::string back(data.size(), '\0');
    EXPECT_EQ(io::pread(fd, back.data(), back.size(), 0), 300'000);
    EXPECT_EQ(back, data);
    io::close(fd.release());
  });
}

TEST(file, other_fibers_run_while_a_call_waits) {
  const scratch dir;
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  in_fiber([&] {
    auto reader = spawn([&] { return io::open(fifo.c_str(), O_RDONLY | O_CLOEXEC); });
    for (int i = 0; i < 5; ++i)
      sleep(1ms);
    EXPECT_FALSE(reader.done());
    owned_fd writer{io::open(fifo.c_str(), O_WRONLY | O_CLOEXEC)};
    EXPECT_GE(writer, 0);
    owned_fd end{reader.get()};
    EXPECT_EQ(io::write(writer, "x", 1), 1);
    EXPECT_EQ(read_exactly(end, 1), "x");
    io::close(end.release());
    io::close(writer.release());
  });
}

std::size_t descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST(file, an_open_that_is_given_up_leaves_no_descriptor) {
  const scratch dir;
  const std::string fifo = dir / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  in_fiber([&] {
    const auto begun = clock::now();
    EXPECT_EQ(error_of(io::open(fifo.c_str(), O_RDONLY | O_CLOEXEC, 0, 10ms)), ETIMEDOUT);
    EXPECT_GE(clock::now() - begun, 10ms);
    auto cancelled_one = spawn([&] { (void)io::open(fifo.c_str(), O_RDONLY | O_CLOEXEC); });
    sleep(2ms);
    cancelled_one.kill();
    EXPECT_TRUE(cancelled_one.was_cancelled());
    const std::size_t before = descriptors();
    // Now both are opened after all, and are to be closed again.
    owned_fd writer{io::open(fifo.c_str(), O_WRONLY | O_CLOEXEC)};
    for (int i = 0; i < 5000 && ::write(writer, "x", 1) == 1; ++i)
      sleep(1ms);
    EXPECT_EQ(descriptors(), before + 1);
    io::close(writer.release());
  });
}

struct no_sigpipe {
  no_sigpipe() { ::signal(SIGPIPE, SIG_IGN); }
} const ignored;

TEST(file, whole_ones) {
  const scratch dir;
  const std::string name = dir / "text";
  in_fiber([&] {
    write_file(name, "");
    EXPECT_EQ(read_file(name), "");
    for (const std::size_t size : {1u, 4095u, 4096u, 4097u, 1'000'000u}) {
      write_file(name, pattern(size), {.sync = true});
      EXPECT_EQ(read_file(name), pattern(size));
    }
    write_file(name, "one\n");
    write_file(name, "two\n", {.append = true});
    EXPECT_EQ(read_file(name), "one\ntwo\n");
    EXPECT_FALSE(read_file("/proc/self/status").empty()); // whose size is said to be 0
    try {
      (void)read_file(dir / "none");
      FAIL();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::no_such_file_or_directory);
      EXPECT_NE(std::string(e.what()).find("open(" + (dir / "none")), std::string::npos);
    }
    EXPECT_THROW(write_file(dir / "none/none", ""), std::system_error);
    EXPECT_THROW((void)read_file(dir / ""), std::system_error);
  });
  EXPECT_EQ(read_file(name), "one\ntwo\n"); // without a fiber, too
}

TEST(file, calls_are_switch_points) {
  const scratch dir;
  const std::string name = dir / "text";
  write_file(name, "text");
  in_fiber([&] {
    owned_fd fd{::open(name.c_str(), O_RDWR | O_CLOEXEC)};
    int calls = 0;
    const auto cancelled_in = [&](auto call) {
      auto t = spawn([&] {
        (void)current().cancel();
        try {
          call();
        } catch (const cancelled&) {
          ++calls;
        }
      });
      t.join();
    };
    char c;
    struct ::stat status {};
    cancelled_in([&] { (void)io::pread(fd, &c, 1, 0); });
    cancelled_in([&] { (void)io::pwrite(fd, "x", 1, 0); });
    cancelled_in([&] { (void)io::fsync(fd); });
    cancelled_in([&] { (void)io::fstat(fd, &status); });
    cancelled_in([&] { (void)io::stat(name.c_str(), &status); });
    cancelled_in([&] { (void)io::open(name.c_str(), O_RDONLY); });
    cancelled_in([&] { (void)read_file(name); });
    cancelled_in([&] { write_file(name, "other"); });
    EXPECT_EQ(calls, 8);
    EXPECT_EQ(read_file(name), "text");
    io::close(fd.release());
  });
}

TEST(file, on_a_thread_without_a_hub) {
  const scratch dir;
  std::thread([&] {
    const std::string name = dir / "a";
    owned_fd fd{io::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600, 10s)};
    ASSERT_GE(fd, 0);
    EXPECT_EQ(io::pwrite(fd, "abc", 3, 0, 1s), 3);
    char buffer[4];
    EXPECT_EQ(io::pread(fd, buffer, 4, 0), 3);
    struct ::stat status {};
    EXPECT_EQ(io::stat(name.c_str(), &status, 10s), 0);
    EXPECT_EQ(status.st_size, 3);
    EXPECT_EQ(io::unlink(name.c_str()), 0);
  }).join();
}

} // namespace
} // namespace weft::test

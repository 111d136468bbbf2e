// SPDX-License-Identifier: BSL-1.0
#include "patch/launcher/program_check.hpp"

#include "patch/launcher/program_path.hpp"

#include <cerrno>
#include <elf.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace weft::launcher {
namespace {

constexpr int max_interpreters = 4;     // the kernel's own bound, beyond which it answers ELOOP
constexpr std::size_t head_bytes = 256; // BINPRM_BUF_SIZE: what the kernel looks at

class file {
 public:
  // Without O_NONBLOCK a FIFO would wait for a writer.
  explicit file(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) {}
  file(const file&) = delete;
  file& operator=(const file&) = delete;
  ~file() {
    if (fd_ >= 0) close(fd_);
  }

  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }

  std::size_t read(std::uint64_t offset, std::span<std::byte> into) const {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto at = offset + done;
      if (at < offset || at > INT64_MAX) break;
      const auto n = pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  [[nodiscard]] std::string head() const {
    std::string bytes(head_bytes, '\0');
    bytes.resize(read(0, std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }

 private:
  int fd_;
};

std::string machine_name(const elf_image& image) {
  switch (image.machine) {
  case EM_386:
    return "32-bit x86";
  case EM_X86_64:
    return "x32";
  case EM_ARM:
    return "32-bit ARM";
  case EM_AARCH64:
    return "64-bit ARM";
  case EM_RISCV:
    return "RISC-V";
  case EM_PPC64:
    return "64-bit PowerPC";
  case EM_S390:
    return "s390";
  default:
    return "machine " + std::to_string(image.machine);
  }
}

/// The loader ignores LD_PRELOAD where the kernel starts a program with more rights than its caller
/// has.
std::string why_secure(const std::string& path) {
  if (getuid() != geteuid() || getgid() != getegid())
    return "weft itself was started with borrowed rights: the loader ignores LD_PRELOAD";
  struct stat status = {};
  struct statvfs system = {};
  if (stat(path.c_str(), &status) != 0) return {};
  const bool rights_are_granted =
      prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 &&
      (statvfs(path.c_str(), &system) != 0 || (system.f_flag & ST_NOSUID) == 0);
  if (!rights_are_granted) return {};
  if ((status.st_mode & S_ISUID) != 0 && status.st_uid != getuid())
    return "it is setuid: the loader ignores LD_PRELOAD";
  // Without the group's x bit, setgid means mandatory locking and grants nothing.
  if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getgid())
    return "it is setgid: the loader ignores LD_PRELOAD";
  // Root gains nothing by them.
  if (getuid() != 0 && getxattr(path.c_str(), "security.capability", nullptr, 0) > 0)
    return "it has file capabilities: the loader ignores LD_PRELOAD";
  return {};
}

} // namespace

std::optional<std::string> script_interpreter(std::string_view head) {
  head = head.substr(0, head_bytes);
  if (!head.starts_with("#!")) return std::nullopt;
  const bool is_whole = head.size() < head_bytes || head.find('\n') != std::string_view::npos;
  head = head.substr(2, head.find('\n') - 2);
  const auto start = head.find_first_not_of(" \t");
  if (start == std::string_view::npos) return std::nullopt;
  const auto end = head.find_first_of(std::string_view(" \t\0", 3), start);
  // A name cut off at the end of what the kernel reads is no name.
  if (end == std::string_view::npos && !is_whole) return std::nullopt;
  return std::string(head.substr(start, end == std::string_view::npos ? end : end - start));
}

std::string why_not(const elf_image& image) {
  if (!image.is_64_bit || !image.is_little_endian || image.machine != EM_X86_64)
    return "it is a program for " + machine_name(image) + ", not x86-64";
  if (image.type != ET_EXEC && image.type != ET_DYN) return "it is an object file, not a program";
  if (image.is_truncated) return "its ELF headers are damaged";
  if (image.interpreter.empty())
    return "it is statically linked: there is no loader to preload a library";
  if (!std::string_view(image.interpreter).ends_with("/ld-linux-x86-64.so.2"))
    return "its C library is not glibc (loader " + image.interpreter + ")";
  if (image.is_go) return "it holds Go code, which makes its system calls without libc";
  return {};
}

program_verdict check_program(const std::string& path) {
  program_verdict verdict;
  verdict.image = path;
  for (int followed = 0;; ++followed) {
    const file program(verdict.image);
    // One that may be executed but not read cannot be judged; the loader will see to it.
    if (!program.is_open()) break;
    const auto image = read_elf(
        [&](std::uint64_t at, std::span<std::byte> into) { return program.read(at, into); });
    if (image) {
      verdict.refusal = why_not(*image);
      verdict.needed = image->needed;
      break;
    }
    const auto head = program.head();
    auto interpreter = script_interpreter(head);
    // execvp gives text that the kernel does not know to the shell.
    if (!interpreter && !head.starts_with("#!") && head.find('\0') == std::string::npos)
      interpreter = "/bin/sh";
    if (!interpreter) {
      verdict.refusal = "it is neither an ELF program nor a script";
      return verdict;
    }
    if (followed == max_interpreters) {
      verdict.error = ELOOP;
      return verdict;
    }
    verdict.image = *interpreter;
    verdict.error = execution_error(verdict.image);
    if (verdict.error != 0) return verdict;
  }
  if (verdict.refusal.empty()) verdict.refusal = why_secure(verdict.image);
  return verdict;
}

} // namespace weft::launcher

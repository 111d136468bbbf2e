// SPDX-License-Identifier: BSL-1.0
//
// sendfile, splice, tee and vmsplice: between two descriptors, each of which may have to be
// waited for.
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include "patch/calls/blocking.hpp"
#include "patch/calls/table.hpp"
#include "patch/calls/transfer.hpp"
#include "patch/kernel/native.hpp"
#include "patch/kernel/user_memory.hpp"
#include "patch/sites/raw_syscall.hpp"

namespace weft::patch {
namespace {

using argument = std::uint64_t syscall_frame::*;

/// One of the two, to be waited for unless it is a file.
class end_of_splice {
 public:
  end_of_splice(green& g, std::uint64_t fd, core::io_events direction) noexcept
      : call_(g, number(fd), direction) {
    call_.hold();
  }

  [[nodiscard]] int fd() const noexcept { return call_.fd(); }
  void release() noexcept { call_.release(); }
  [[nodiscard]] bool was_closed() const noexcept { return call_.was_closed(); }
  [[nodiscard]] bool is_nonblocking() noexcept { return call_.is_nonblocking(); }
  long wait() noexcept {
    if (!was_closed() && is_kernels(fd())) return 0;
    return until_ready(call_);
  }

 private:
  file_call call_;
};

/// The call in `f` from the descriptor in argument `in` to that in `out`: once both are ready the
/// kernel does what it does natively. What it then still waits for, if some other process was
/// quicker, others need not.
long between(green& g, const syscall_frame& f, argument in, argument out) noexcept {
  end_of_splice source{g, f.*in, core::io_in};
  end_of_splice target{g, f.*out, core::io_out};
  if (source.is_nonblocking() || target.is_nonblocking()) return pass_to_kernel;
  if (const long ended = source.wait()) return ended;
  if (const long ended = target.wait()) return ended;
  if (!source.was_closed() && !target.was_closed()) return pass_to_kernel;
  syscall_frame made = f;
  made.*in = static_cast<std::uint64_t>(source.fd());
  made.*out = static_cast<std::uint64_t>(target.fd());
  source.release();
  target.release();
  return native_call(g, made);
}

long on_splice(green& g, syscall_frame& f) noexcept {
  if ((f.r9 & SPLICE_F_NONBLOCK) || f.r8 == 0) return pass_to_kernel;
  return between(g, f, &syscall_frame::rdi, &syscall_frame::rdx);
}

long on_tee(green& g, syscall_frame& f) noexcept {
  if ((f.r10 & SPLICE_F_NONBLOCK) || f.rdx == 0) return pass_to_kernel;
  return between(g, f, &syscall_frame::rdi, &syscall_frame::rsi);
}

long on_vmsplice(green& g, syscall_frame& f) noexcept {
  const long mode = raw_syscall(SYS_fcntl, f.rdi, F_GETFL);
  if ((f.r10 & SPLICE_F_NONBLOCK) || f.rdx == 0 || is_error(mode)) return pass_to_kernel;
  const bool writes = (mode & O_ACCMODE) != O_RDONLY;
  end_of_splice pipe{g, f.rdi, writes ? core::io_out : core::io_in};
  if (const long ended = pipe.wait()) return ended;
  if (!pipe.was_closed()) return pass_to_kernel;
  syscall_frame made = f;
  made.rdi = static_cast<std::uint64_t>(pipe.fd());
  return native_call(g, made);
}

/// Reads what the page cache has, and waits for the disk so that nobody else has to. The program's
/// handlers may run then, and never return: nothing of this call's is in any list.
long read_file(green& g, open_file& source, open_file& target, const iovec& room,
               long position) noexcept {
  const long n = raw_syscall(SYS_preadv2, source.fd(), &room, 1, position, 0L, RWF_NOWAIT);
  if (n != -EAGAIN && n != -EOPNOTSUPP) return n;
  source.release();
  target.release();
  const long whole =
      native_call(g, SYS_pread64, source.fd(), room.iov_base, room.iov_len, position);
  source.hold();
  target.hold();
  return whole;
}

/// sendfile to a socket sends all: by reading and writing, since the kernel's own way blocks in the
/// middle. To a pipe it is a splice of what fits.
long on_sendfile(green& g, syscall_frame& f) noexcept {
  const int out = number(f.rdi);
  const int in = number(f.rsi);
  auto* offset = pointer<long>(f.rdx);
  const std::size_t count = f.r10;
  if (is_kernels(out) || kind_of(in) != fd_kind::file || is_nonblocking(out)) return pass_to_kernel;
  if (kind_of(out) != fd_kind::socket)
    return between(g, f, &syscall_frame::rsi, &syscall_frame::rdi);
  constexpr std::size_t piece = 64 * 1024;
  const long buffer =
      core::sys::map(nullptr, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (is_error(buffer)) return buffer;
  open_file target{out};
  open_file source{in};
  target.hold();
  source.hold();
  long position = -EFAULT;
  if (!offset)
    position = raw_syscall(SYS_lseek, in, 0, SEEK_CUR);
  else if (long given; get_user(given, offset))
    position = given;
  long sent = 0;
  long result = is_error(position) ? position : 0;
  while (result >= 0 && static_cast<std::size_t>(sent) < count) {
    std::size_t want = count - static_cast<std::size_t>(sent);
    if (want > piece) want = piece;
    const iovec room{reinterpret_cast<void*>(buffer), want};
    result = read_file(g, source, target, room, position);
    if (result <= 0) break;
    const iovec part{room.iov_base, static_cast<std::size_t>(result)};
    const long asked = result;
    result = write_all(g, target.fd(), &part, 1);
    if (result > 0) {
      position += result;
      sent += result;
    }
    if (result != asked) break;
  }
  core::sys::unmap(reinterpret_cast<void*>(buffer), piece);
  if (sent > 0) {
    if (!offset)
      raw_syscall(SYS_lseek, source.fd(), position, SEEK_SET);
    else if (!put_user(offset, position))
      return -EFAULT;
    return sent;
  }
  return result;
}

constexpr call_entry entries[] = {
    {SYS_sendfile, virtual_when::active, on_sendfile},
    {SYS_splice, virtual_when::active, on_splice},
    {SYS_tee, virtual_when::active, on_tee},
    {SYS_vmsplice, virtual_when::active, on_vmsplice},
};

} // namespace

const call_family splice_calls{entries, sizeof entries / sizeof *entries};

} // namespace weft::patch

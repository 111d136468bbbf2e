// SPDX-License-Identifier: BSL-1.0
// Libraries that are loaded while threads run (library.cpp): their thread-local variables are each
// thread's own, and their own system calls wait as all others do.
#include "tests/conformance/check.hpp"
#include "tests/conformance/descriptors.hpp"

#include <dlfcn.h>
#include <sched.h>
#include <string>
#include <sys/syscall.h>
#include <vector>

namespace {

using namespace conformance;

// Beside the program.
std::string path_of(const char* name) {
  char self[4096] = {};
  const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  std::string path(self, n > 0 ? static_cast<std::size_t>(n) : 0);
  path.resize(path.rfind('/') + 1);
  return path + name;
}

class library {
 public:
  explicit library(const char* name) : handle_(dlopen(path_of(name).c_str(), RTLD_NOW)) {
    if (handle_ == nullptr) fail(dlerror());
  }
  library(const library&) = delete;
  library& operator=(const library&) = delete;
  ~library() { dlclose(handle_); }

  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(dlsym(handle_, name));
  }

 private:
  void* handle_;
};

using read_function = long(int, void*, unsigned long);
using call_function = long(long, long, long, long);

void calls_of_its_own_wait(const char* name) {
  const library loaded(name);
  const pipe_pair there;
  const pipe_pair back;
  std::thread reader([&] {
    char byte = 0;
    expect_equal(loaded.function<read_function>("read_by_itself")(there.reader, &byte, 1), 1,
                 "read");
    expect_equal(byte, 't', "the byte");
    expect_equal(write(back.writer, "b", 1), 1, "write");
  });
  std::thread second([&] {
    char byte = 0;
    auto* call = loaded.function<call_function>("call_by_itself");
    expect_equal(call(SYS_read, back.reader, reinterpret_cast<long>(&byte), 1), 1, "read");
    expect_equal(byte, 'b', "the byte");
    expect_equal(call(SYS_read, -1, 0, 1), -EBADF, "an error");
  });
  let_others_block();
  expect_equal(write(there.writer, "t", 1), 1, "write");
  reader.join();
  second.join();
}

void loaded_while_threads_run() {
  const pipe_pair gate;
  std::thread other([&] {
    char byte = 0;
    expect_equal(read(gate.reader, &byte, 1), 1, "read");
  });
  calls_of_its_own_wait("conformance-library.so");
  expect_equal(write(gate.writer, "x", 1), 1, "write");
  other.join();
}

void loaded_by_the_only_thread() {
  calls_of_its_own_wait("conformance-library.so");
}

// Without RELRO there is no sign that relocation is done.
void without_relro() {
  calls_of_its_own_wait("conformance-library-plain.so");
}

void loaded_again_and_again() {
  for (int i = 0; i < 5; ++i) {
    calls_of_its_own_wait("conformance-library.so");
    calls_of_its_own_wait("conformance-library-plain.so");
  }
}

void thread_local_variables() {
  std::vector<std::thread> threads;
  const library loaded("conformance-library.so");
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      auto* count = loaded.function<int()>("count_up");
      for (int i = 1; i <= 20; ++i) {
        expect_equal(count(), 100 + i, "each thread's own");
        expect(loaded.function<int()>("large_is_mine")() == 1, "the larger one as well");
        sched_yield();
      }
    });
  for (std::thread& thread : threads)
    thread.join();
}

void constructor_runs_in_its_thread() {
  std::thread([] {
    const library loaded("conformance-library.so");
    const long tid = loaded.function<long()>("tid_in_constructor")();
    expect_equal(tid, gettid(), "the system call in its constructor tells who called dlopen");
  }).join();
}

void no_such_library() {
  std::thread([] {
    expect(dlopen("/nowhere/no.so", RTLD_NOW) == nullptr, "dlopen");
    expect(dlopen("/etc/passwd", RTLD_NOW) == nullptr, "dlopen of what is none");
  }).join();
}

const checks registered{
    {"loaded_while_threads_run", loaded_while_threads_run},
    {"loaded_by_the_only_thread", loaded_by_the_only_thread},
    {"without_relro", without_relro},
    {"loaded_again_and_again", loaded_again_and_again},
    {"thread_local_variables", thread_local_variables},
    {"constructor_runs_in_its_thread", constructor_runs_in_its_thread},
    {"no_such_library", no_such_library},
};

} // namespace

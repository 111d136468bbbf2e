// SPDX-License-Identifier: BSL-1.0
#pragma once

#include "tests/conformance/check.hpp"
#include "tests/conformance/processes/child.hpp"

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <string>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

extern char** environ;

namespace conformance {

// An object in memory that other processes share, by fork or by `play`.
template <class T>
class shared_object {
 public:
  shared_object() : file_(static_cast<int>(syscall(SYS_memfd_create, "shared", 0))) {
    expect_equal(ftruncate(file_, sizeof(T)), 0, "ftruncate");
    at_ = ::new (map()) T;
  }
  shared_object(const shared_object&) = delete;
  shared_object& operator=(const shared_object&) = delete;
  ~shared_object() {
    munmap(at_, sizeof(T));
    close(file_);
  }
  T* operator->() const { return at_; }
  T& operator*() const { return *at_; }
  // The same once more, at another address. Never unmapped.
  T* alias() const { return static_cast<T*>(map()); }
  int file() const { return file_; }

 private:
  void* map() const {
    return mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
  }
  int file_;
  T* at_;
};

// What the program does when `play` starts it again. Registered by a global of this type.
struct role {
  role(const char* name, int (*body)(void* shared)) {
    const char* wanted = std::getenv("CONFORMANCE_ROLE");
    if (wanted == nullptr || std::strcmp(wanted, name) != 0) return;
    const int file = std::atoi(std::getenv("CONFORMANCE_FILE"));
    void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    _exit(body(at));
  }
};

enum class runs { natively, as_this }; // without a preloaded library, or as this process does

// Starts this program again as `name`, with the object's memory.
template <class T>
pid_t play(const char* name, const shared_object<T>& object, runs how) {
  static_assert(sizeof(T) <= 4096);
  std::vector<std::string> variables;
  for (char** v = environ; *v != nullptr; ++v)
    if (how == runs::as_this || std::strncmp(*v, "LD_PRELOAD=", 11) != 0) variables.push_back(*v);
  variables.push_back(std::string("CONFORMANCE_ROLE=") + name);
  variables.push_back("CONFORMANCE_FILE=" + std::to_string(object.file()));
  std::vector<char*> environment;
  for (std::string& v : variables)
    environment.push_back(v.data());
  environment.push_back(nullptr);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    char* arguments[] = {const_cast<char*>("role"), nullptr};
    execve("/proc/self/exe", arguments, environment.data());
    _exit(127);
  }
  return child;
}

} // namespace conformance

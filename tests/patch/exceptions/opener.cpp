// SPDX-License-Identifier: BSL-1.0
//
// A program that knows nothing of weft until it opens a library that needs it.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <thread>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  // It has thrown, and had a thread, before.
  try {
    throw std::runtime_error("early");
  } catch (const std::exception&) {
  }
  std::thread([] {}).join();
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  void (*play)() = nullptr;
  if (library) play = reinterpret_cast<void (*)()>(dlsym(library, "play_with_fibers"));
  if (!play) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  play();
}

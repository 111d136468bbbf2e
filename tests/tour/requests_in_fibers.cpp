// SPDX-License-Identifier: BSL-1.0
// The same in code, as gevent's examples begin: `monkey.patch_all()`, then spawn and join, spawn
// and joinall, of two functions that use a blocking HTTP client: `requests-in-fibers URL`.
#include <cstdio>

#include <weft/weft.hpp>

extern "C" {
#include "tests/programs/download.h"
}

namespace {

void func_a(const char* url) {
  download ret{};
  ret.url = url;
  std::puts("-------A-------");
  fetch(&ret);
  std::printf("%ld\n-------A1-------\n", ret.status);
}

void func_b(const char* url) {
  download ret{};
  ret.url = url;
  std::puts("-------B-------");
  fetch(&ret);
  std::printf("%ld\n-------B1-------\n", ret.status);
}

} // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: requests-in-fibers URL\n");
    return 2;
  }
  weft::patch_all();
  curl_global_init(CURL_GLOBAL_DEFAULT);
  {
    auto g1 = weft::spawn(func_a, arguments[1]);
    auto g2 = weft::spawn(func_b, arguments[1]);
    g1.join();
    g2.join();
  }
  {
    auto g1 = weft::spawn(func_a, arguments[1]);
    auto g2 = weft::spawn(func_b, arguments[1]);
    weft::joinall(g1, g2);
  }
  curl_global_cleanup();
}

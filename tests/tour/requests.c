// SPDX-License-Identifier: BSL-1.0
// Two threads with a blocking HTTP client, as one writes it without weft: `requests URL`. Under
// `weft` each wait of one lets the other go on, which is what gevent's monkey.patch_all() is for.
#include <pthread.h>
#include <stdio.h>

#include "tests/programs/download.h"

static void* func_a(void* url) {
  struct download ret = {.url = url};
  puts("-------A-------");
  fetch(&ret);
  printf("%ld\n-------A1-------\n", ret.status);
  return NULL;
}

static void* func_b(void* url) {
  struct download ret = {.url = url};
  puts("-------B-------");
  fetch(&ret);
  printf("%ld\n-------B1-------\n", ret.status);
  return NULL;
}

static int both(void* url) {
  pthread_t g1;
  pthread_t g2;
  if (pthread_create(&g1, NULL, func_a, url) != 0) return 1;
  if (pthread_create(&g2, NULL, func_b, url) != 0) return 1;
  pthread_join(g1, NULL);
  pthread_join(g2, NULL);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: requests URL\n");
    return 2;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const int failed = both(argv[1]) || both(argv[1]);
  curl_global_cleanup();
  return failed;
}

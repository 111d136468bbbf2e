// SPDX-License-Identifier: BSL-1.0
// Each URL in a thread of its own, with libcurl's blocking calls: `two_downloads URL URL`. Prints,
// in the order of the arguments: URL, status, size and a digest of the body.
#include <pthread.h>
#include <stdio.h>

#include "download.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: two_downloads URL URL\n");
    return 2;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  struct download downloads[2] = {{.url = argv[1]}, {.url = argv[2]}};
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i)
    if (pthread_create(&threads[i], NULL, fetch, &downloads[i]) != 0) return 1;
  int failed = 0;
  for (int i = 0; i < 2; ++i) {
    pthread_join(threads[i], NULL);
    const struct download* d = &downloads[i];
    if (d->result != CURLE_OK) {
      fprintf(stderr, "two_downloads: %s: %s\n", d->url, curl_easy_strerror(d->result));
      failed = 1;
    }
    printf("%s %ld %zu %u\n", d->url, d->status, d->size, d->digest);
  }
  curl_global_cleanup();
  return failed;
}
